package shop;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** A real Spring Boot application, to prove that what the tests' small server imitates is true of the original. */
@SpringBootApplication
public class SpringShop {
    public static void main(String[] args) {
        SpringApplication.run(SpringShop.class, args);
    }
}
