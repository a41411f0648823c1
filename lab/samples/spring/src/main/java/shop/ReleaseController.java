package shop;

import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Map;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.servlet.support.ServletUriComponentsBuilder;

/** Says which release answers, in the body and in X-Release: the label is the manifest's Implementation-Version. */
@RestController
public class ReleaseController {
    private final String release;

    public ReleaseController() {
        String version = SpringShop.class.getPackage().getImplementationVersion();
        release = version == null ? "unknown" : version;
    }

    @GetMapping("/")
    public ResponseEntity<Map<String, String>> release() {
        return ResponseEntity.ok().header("X-Release", release).body(Map.of("release", release));
    }

    /** Sends the user on as a login by OAuth does: both addresses are those that Spring takes for its own. */
    @GetMapping("/login")
    public void login(HttpServletResponse response) throws IOException {
        String own = ServletUriComponentsBuilder.fromCurrentContextPath().path("/login/oauth2/code/shop").toUriString();
        response.setHeader("X-Redirect-Uri", own);
        response.sendRedirect("/welcome");
    }
}
