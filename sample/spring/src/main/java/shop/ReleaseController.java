package shop;

import java.util.Map;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

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
}
