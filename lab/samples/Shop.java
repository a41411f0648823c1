import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.jar.Attributes;
import java.util.jar.Manifest;

/**
 * The sample application that the demo and the tests deploy.
 *
 * <p>It follows Spring Boot's conventions without Spring: it listens on SERVER_PORT (default 8080), answers
 * /actuator/health (on MANAGEMENT_SERVER_PORT, if set), and on SIGTERM stops accepting requests, finishes those that
 * run and exits with 143. Each answer has its release in the body and in the header X-Release.
 *
 * <ul>
 *   <li>GET /echo-headers: the request's headers as JSON
 *   <li>GET /slow?ms=N: answers after N milliseconds, 30,000 at most
 *   <li>any other request: the release, and how many bytes of body were received
 * </ul>
 *
 * <p>Faults are in the environment variable SAMPLE_FAULTS, else in the manifest's attribute Sample-Faults: names
 * separated by commas. A time T is "N" (N seconds after this process started) or "live+N" (N seconds after the first
 * request, other than health, with X-Forwarded-For: it came through a proxy, so the release is live).
 *
 * <pre>
 *   slow-start=N     opens its port only N seconds after it started
 *   never-healthy    health answers 503 DOWN, all other requests work
 *   dies-at-start    exits with 1 before it opens its port
 *   dies-after=T     exits with 1 at that time
 *   errors-after=T   answers 500 from that time on, while health stays UP
 *   leaks-threads=T  from that time on starts threads that never end, as many as it can
 *   ignores-sigterm  continues to serve after SIGTERM
 *   other-port=P     listens on port P instead of SERVER_PORT
 * </pre>
 */
public final class Shop {
    private static final long MAX_SLOW_MILLIS = 30_000;

    /** The longest wait of a stop; Spring's spring.lifecycle.timeout-per-shutdown-phase has the same default. */
    private static final long MAX_DRAIN_MILLIS = 30_000;

    /** After so long without a request a stop assumes that none is on its way. */
    private static final long QUIET_MILLIS = 100;

    private static final String JSON = "application/json";
    private static final String HEALTH_JSON = "application/vnd.spring-boot.actuator.v3+json";

    private final long started = System.nanoTime();
    private final String release;
    private final Faults faults;
    private final AtomicInteger running = new AtomicInteger();
    private final AtomicLong lastAsked = new AtomicLong(started);
    private final AtomicLong wentLive = new AtomicLong();
    private volatile boolean stopping;

    private Shop(String release, Faults faults) {
        this.release = release;
        this.faults = faults;
    }

    public static void main(String[] args) throws Exception {
        // Read once, when the server's classes load. Without TCP_NODELAY each answer waits 40 ms for a delayed ACK.
        // The proxy must be the one that closes an idle connection, so ours stay open longer than its own.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        System.setProperty("sun.net.httpserver.idleInterval", "75");
        System.setProperty("sun.net.httpserver.maxIdleConnections", "10000");
        Attributes manifest = manifest();
        String release = manifest.getValue(Attributes.Name.IMPLEMENTATION_VERSION);
        String spec = System.getenv().getOrDefault("SAMPLE_FAULTS", manifest.getValue("Sample-Faults"));
        new Shop(release == null ? "unknown" : release, Faults.parse(spec)).run();
    }

    private static Attributes manifest() throws IOException {
        try (InputStream file = Shop.class.getResourceAsStream("/META-INF/MANIFEST.MF")) {
            return file == null ? new Attributes() : new Manifest(file).getMainAttributes();
        }
    }

    private void run() throws Exception {
        log("Starting Shop " + release + (faults.isEmpty() ? "" : " with faults " + faults));
        if (faults.has("dies-at-start")) {
            log("java.lang.IllegalStateException: fault dies-at-start");
            Runtime.getRuntime().halt(1);
        }
        if (faults.has("slow-start")) {
            Thread.sleep(faults.number("slow-start") * 1000L);
        }
        int port = faults.has("other-port") ? faults.number("other-port") : portNamed("SERVER_PORT", 8080);
        int management = portNamed("MANAGEMENT_SERVER_PORT", port);
        // A thread for each request: /slow may use many, and health must not queue behind them.
        Executor threads = Executors.newCachedThreadPool();
        List<HttpServer> servers = new CopyOnWriteArrayList<>();
        // Before the port is opened: a process that finds it open may send SIGTERM at once.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(servers), "stop"));
        servers.add(listen(port, threads, management == port ? this::answer : this::answerUsers));
        if (management != port) {
            servers.add(listen(management, threads, this::answerHealth));
        }
        if (faults.has("dies-after")) {
            Thread watch = new Thread(this::dieInTime, "dies-after");
            watch.setDaemon(true);
            watch.start();
        }
        if (faults.has("leaks-threads")) {
            Thread leak = new Thread(this::leakThreads, "leaks-threads");
            leak.setDaemon(true);
            leak.start();
        }
        log(String.format("Started Shop %s in %.3f seconds, port %d", release, secondsSince(started), port));
    }

    private static int portNamed(String variable, int otherwise) {
        String value = System.getenv(variable);
        return value == null || value.isEmpty() ? otherwise : Integer.parseInt(value);
    }

    private HttpServer listen(int port, Executor threads, HttpHandler handler) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 1024);
        server.setExecutor(threads);
        server.createContext("/", exchange -> serve(exchange, handler));
        server.start();
        return server;
    }

    private void serve(HttpExchange exchange, HttpHandler handler) throws IOException {
        running.incrementAndGet();
        lastAsked.set(System.nanoTime());
        try (exchange) {
            if (stopping) {
                exchange.getResponseHeaders().set("Connection", "close");
            }
            handler.handle(exchange);
        } finally {
            running.decrementAndGet();
        }
    }

    private void answer(HttpExchange exchange) throws IOException {
        if (exchange.getRequestURI().getPath().startsWith("/actuator/")) {
            answerHealth(exchange);
        } else {
            answerUsers(exchange);
        }
    }

    private void answerHealth(HttpExchange exchange) throws IOException {
        switch (exchange.getRequestURI().getPath()) {
            case "/actuator/health", "/actuator/health/liveness" -> {
                boolean up = !faults.has("never-healthy");
                send(exchange, up ? 200 : 503, HEALTH_JSON, up ? "{\"status\":\"UP\"}" : "{\"status\":\"DOWN\"}");
            }
            case "/actuator/health/readiness" -> {
                boolean up = !faults.has("never-healthy") && !stopping;
                send(exchange, up ? 200 : 503, HEALTH_JSON, up ? "{\"status\":\"UP\"}" : "{\"status\":\"OUT_OF_SERVICE\"}");
            }
            default -> send(exchange, 404, JSON, "{\"release\":" + quoted(release) + ",\"error\":\"Not Found\"}");
        }
    }

    private void answerUsers(HttpExchange exchange) throws IOException {
        URI uri = exchange.getRequestURI();
        if (exchange.getRequestHeaders().containsKey("X-Forwarded-For")) {
            wentLive.compareAndSet(0, System.nanoTime());
        }
        long received = 0;
        try (InputStream body = exchange.getRequestBody()) {
            byte[] piece = new byte[8192];
            for (int n = body.read(piece); n >= 0; n = body.read(piece)) {
                received += n;
            }
        }
        if (faults.isDue("errors-after", started, wentLive.get())) {
            send(exchange, 500, JSON, "{\"release\":" + quoted(release) + ",\"error\":\"fault errors-after\"}");
        } else if (uri.getPath().equals("/echo-headers")) {
            send(exchange, 200, JSON, headersOf(exchange));
        } else if (uri.getPath().equals("/slow")) {
            answerSlowly(exchange, uri.getQuery());
        } else {
            send(exchange, 200, JSON, "{\"release\":" + quoted(release) + ",\"received\":" + received + "}");
        }
    }

    private void answerSlowly(HttpExchange exchange, String query) throws IOException {
        long millis;
        try {
            millis = query != null && query.startsWith("ms=") ? Long.parseLong(query.substring(3)) : -1;
        } catch (NumberFormatException e) {
            millis = -1;
        }
        if (millis < 0 || millis > MAX_SLOW_MILLIS) {
            String error = "ask for /slow?ms=N with N from 0 to " + MAX_SLOW_MILLIS;
            send(exchange, 400, JSON, "{\"release\":" + quoted(release) + ",\"error\":" + quoted(error) + "}");
            return;
        }
        pause(millis);
        send(exchange, 200, JSON, "{\"release\":" + quoted(release) + ",\"slept\":" + millis + "}");
    }

    private String headersOf(HttpExchange exchange) {
        StringBuilder headers = new StringBuilder();
        exchange.getRequestHeaders().forEach((name, values) -> {
            headers.append(headers.length() == 0 ? "" : ",").append(quoted(name)).append(':');
            headers.append(quoted(String.join(", ", values)));
        });
        return "{\"release\":" + quoted(release) + ",\"headers\":{" + headers + "}}";
    }

    private void send(HttpExchange exchange, int status, String type, String body) throws IOException {
        byte[] bytes = (body + "\n").getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.getResponseHeaders().set("X-Release", release);
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.sendResponseHeaders(status, -1);
            return;
        }
        exchange.sendResponseHeaders(status, bytes.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(bytes);
        }
    }

    /** Returns a JSON string; a header's value may contain quotes, backslashes and control characters. */
    private static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < ' ' || c > '~') {
                json.append(String.format("\\u%04x", (int) c));
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }

    private void dieInTime() {
        while (!faults.isDue("dies-after", started, wentLive.get())) {
            pause(20);
        }
        log("java.lang.OutOfMemoryError: fault dies-after");
        Runtime.getRuntime().halt(1);
    }

    private void leakThreads() {
        while (!faults.isDue("leaks-threads", started, wentLive.get())) {
            pause(20);
        }
        long made = 0;
        try {
            while (true) {
                Thread thread = new Thread(() -> pause(Long.MAX_VALUE));
                thread.setDaemon(true);
                thread.start();
                made++;
            }
        } catch (OutOfMemoryError e) {
            log("fault leaks-threads: " + made + " made, then " + e.getMessage());
        }
    }

    /** When this returns, the JVM exits, with 143 after a SIGTERM. */
    private void stop(List<HttpServer> servers) {
        if (faults.has("ignores-sigterm")) {
            log("SIGTERM ignored");
            pause(Long.MAX_VALUE);
        }
        log("Commencing graceful shutdown");
        stopping = true;
        for (HttpServer server : servers) {
            // Closes the listening socket at once, then waits for its whole delay even when no request runs.
            Thread closing = new Thread(() -> server.stop((int) (MAX_DRAIN_MILLIS / 1000)), "close");
            closing.setDaemon(true);
            closing.start();
        }
        long commenced = System.nanoTime();
        while (secondsSince(commenced) * 1000 < MAX_DRAIN_MILLIS) {
            boolean quiet = secondsSince(Math.max(lastAsked.get(), commenced)) * 1000 > QUIET_MILLIS;
            if (quiet && running.get() == 0) {
                log("Graceful shutdown complete");
                return;
            }
            pause(10);
        }
        log("Graceful shutdown aborted with " + running.get() + " requests under way");
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static double secondsSince(long nanos) {
        return (System.nanoTime() - nanos) / 1e9;
    }

    private static void log(String line) {
        System.err.println(line);
    }

    /** The faults by name. */
    private static final class Faults {
        private static final List<String> NAMES = Arrays.asList("slow-start", "never-healthy", "dies-at-start",
                "dies-after", "errors-after", "leaks-threads", "ignores-sigterm", "other-port");
        private static final String LIVE = "live+";

        private final Map<String, String> values = new TreeMap<>();

        static Faults parse(String spec) {
            Faults faults = new Faults();
            for (String fault : spec == null ? new String[0] : spec.split("\\s*,\\s*")) {
                String[] pair = fault.split("=", 2);
                if (!fault.isEmpty() && !NAMES.contains(pair[0])) {
                    throw new IllegalArgumentException("no such fault: " + fault + "; there are " + NAMES);
                }
                faults.values.put(pair[0], pair.length == 2 ? pair[1] : "");
            }
            faults.values.remove("");
            return faults;
        }

        boolean isEmpty() {
            return values.isEmpty();
        }

        boolean has(String name) {
            return values.containsKey(name);
        }

        int number(String name) {
            return Integer.parseInt(values.get(name));
        }

        /** Returns whether this fault is due; `live` is 0 until the release is live. Both are nanoTime. */
        boolean isDue(String name, long started, long live) {
            String value = values.get(name);
            if (value == null || value.startsWith(LIVE) && live == 0) {
                return false;
            }
            boolean afterLive = value.startsWith(LIVE);
            double seconds = Double.parseDouble(afterLive ? value.substring(LIVE.length()) : value);
            return secondsSince(afterLive ? live : started) >= seconds;
        }

        @Override
        public String toString() {
            return values.toString();
        }
    }
}
