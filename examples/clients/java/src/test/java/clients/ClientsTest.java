package clients;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import jakarta.servlet.AsyncContext;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.catalina.Context;
import org.apache.catalina.Wrapper;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/**
 * What the filter promises, with Tomcat and a parallax that does what it should, or does not. With PARALLAX_CONTROL
 * (http://127.0.0.1:9900) in the environment, with a real parallax as well.
 */
class ClientsTest {
    private static final Duration DEADLINE = Duration.ofSeconds(20);
    private static final byte[] BYTES = {(byte) 0xff, 0, (byte) 0xfe};
    private static final Pattern ID = Pattern.compile("\"id\":\"([0-9a-f-]{36})\"");
    private static final List<String> PAGES = Stream.of("1", "sized", "none", "error", "denied", "moved", "bytes", "latin", "coded", "large",
            "slow", "later", "reset").map(name -> "/returns/" + name).toList();

    /** Tomcat tells all that it does. */
    private static final Logger TOMCAT = Logger.getLogger("org.apache");

    static {
        TOMCAT.setLevel(Level.SEVERE);
    }

    private final List<AutoCloseable> started = new ArrayList<>();
    private final CountDownLatch go = new CountDownLatch(1);

    @AfterEach
    void stop() throws Exception {
        go.countDown();
        for (int last = started.size() - 1; last >= 0; last--) {
            started.get(last).close();
        }
        System.clearProperty("parallax.token");
    }

    /** The application. */
    private final class Application extends HttpServlet {
        private static final long serialVersionUID = 1;

        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.setContentType("text/plain");
            switch (request.getRequestURI().replaceFirst("/returns/", "")) {
                case "1" -> {
                    response.setContentType("application/json;charset=UTF-8");
                    response.addHeader("X-Two", "a");
                    response.addHeader("X-Two", "b");
                    response.getWriter().print("{\"name\": \"J\u00f6rg \ud83d");
                    response.getWriter().append("\ude00\",").println(" \"id\": 1}");
                }
                case "sized" -> {
                    response.setContentLength(4);
                    response.getOutputStream().print("four");
                }
                case "none" -> response.setStatus(404);
                case "error" -> response.sendError(410, "gone");
                case "denied" -> response.sendError(403);
                case "moved" -> response.sendRedirect("/returns/1?a=b");
                case "bytes" -> response.getOutputStream().write(BYTES);
                case "latin" -> response.getWriter().write("pl\u00e4in"); // ISO-8859-1, says the specification
                case "coded" -> {
                    response.setHeader("Content-Encoding", "own");
                    response.getOutputStream().print("looks like text");
                }
                case "large" -> response.getOutputStream().write(new byte[6000]);
                case "reset" -> {
                    response.getWriter().write("not this");
                    response.reset();
                    response.getOutputStream().print("but this");
                }
                case "slow" -> slow(response);
                case "later" -> {
                    AsyncContext later = request.startAsync();
                    new Thread(() -> {
                        try {
                            slow((HttpServletResponse) later.getResponse());
                        } catch (IOException gone) {
                            // The test sees what it has got.
                        }
                        later.complete();
                    }).start();
                }
                case "/servlet/bytes" -> {
                    response.setContentType("application/octet-stream");
                    response.addHeader("Set-Cookie", "a=1");
                    response.addHeader("Set-Cookie", "b=2");
                    response.getOutputStream().write(BYTES);
                }
                default -> {
                    response.setContentType("application/json;charset=UTF-8");
                    response.getWriter().print("{\"id\": \"" + request.getRequestURI().replaceAll(".*/", "") + "\"}");
                }
            }
        }

        private void slow(HttpServletResponse response) throws IOException {
            response.getOutputStream().print("first");
            response.flushBuffer();
            await(go);
            response.getOutputStream().print("second");
        }

        @Override
        protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.setContentType("text/plain;charset=UTF-8");
            byte[] asked = request.getRequestURI().endsWith("unread") ? new byte[0] : request.getInputStream().readAllBytes();
            response.getOutputStream().print("asked: ");
            response.getOutputStream().write(asked);
        }
    }

    /** The application on a port of its own, with the filter where there is a poster. */
    private int start(Poster poster) throws Exception {
        Path directory = Files.createTempDirectory(Path.of("target"), "tomcat");
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(directory.toString());
        tomcat.setPort(0);
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        Context context = tomcat.addContext("", directory.toAbsolutePath().toString());
        Wrapper servlet = Tomcat.addServlet(context, "application", new Application());
        servlet.setAsyncSupported(true);
        context.addServletMappingDecoded("/*", "application");
        if (poster != null) {
            FilterDef filter = new FilterDef();
            filter.setFilterName("posted-checks");
            filter.setFilter(new PostedChecks(poster));
            filter.setAsyncSupported("true");
            context.addFilterDef(filter);
            FilterMap everything = new FilterMap();
            everything.setFilterName("posted-checks");
            everything.addURLPattern("/*");
            context.addFilterMap(everything);
        }
        tomcat.start();
        started.add(() -> {
            tomcat.stop();
            tomcat.destroy();
        });
        if (poster != null) {
            started.add(() -> poster.close(Duration.ofMillis(1)));
        }
        return tomcat.getConnector().getLocalPort();
    }

    private static Poster poster(String url, Consumer<Poster.Options> more) {
        Poster.Options options = new Poster.Options();
        options.url = URI.create(url);
        options.paths = List.of("/returns", "/search");
        options.methods = Set.of("GET", "HEAD", "POST");
        options.pause = Duration.ofMillis(10);
        more.accept(options);
        return new Poster(options);
    }

    /** What a fake parallax answers: a status with headers. */
    private record Say(int status, Map<String, String> headers) {
        static final Say HANG = new Say(0, Map.of());
        static final Say ACCEPT = new Say(207, Map.of());
    }

    private record Asked(String path, Map<String, List<String>> headers, String body) {}

    /** It does one thing for each request, and the last one for ever after. */
    private final class FakeParallax {
        final List<Asked> requests = new CopyOnWriteArrayList<>();
        final CountDownLatch letGo = new CountDownLatch(1);
        final String url;
        private final List<Say> answers;

        FakeParallax(Say... answers) throws IOException {
            this.answers = new ArrayList<>(Arrays.asList(answers));
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            ExecutorService threads = Executors.newCachedThreadPool();
            server.setExecutor(threads);
            server.createContext("/", this::answer);
            server.start();
            url = "http://127.0.0.1:" + server.getAddress().getPort();
            started.add(() -> {
                letGo.countDown();
                server.stop(0);
                threads.shutdownNow();
            });
        }

        private void answer(HttpExchange exchange) throws IOException {
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            Say say;
            synchronized (answers) {
                requests.add(new Asked(exchange.getRequestURI().toString(), exchange.getRequestHeaders(), body));
                say = answers.size() > 1 ? answers.remove(0) : answers.get(0);
            }
            if (say == Say.HANG) {
                await(letGo);
                exchange.close();
                return;
            }
            List<String> accepted = body.lines().map(line -> "{\"status\":202}").toList();
            byte[] answer = (say == Say.ACCEPT ? accepted.toString() : "{\"detail\":\"no\"}").getBytes(StandardCharsets.UTF_8);
            say.headers.forEach(exchange.getResponseHeaders()::set);
            exchange.sendResponseHeaders(say.status, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        }

        List<String> checks() {
            return requests.stream().flatMap(asked -> asked.body.lines()).toList();
        }

        Set<String> ids() {
            return new HashSet<>(checks().stream().flatMap(check -> ID.matcher(check).results()).map(id -> id.group(1)).toList());
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await(DEADLINE.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }

    private static void until(BooleanSupplier isTrue, String what) throws InterruptedException {
        for (long began = System.nanoTime(); !isTrue.getAsBoolean(); Thread.sleep(5)) {
            if (System.nanoTime() - began > DEADLINE.toNanos()) {
                fail(what);
            }
        }
    }

    private static byte[] get(String path, String... more) {
        return message("GET", path, new byte[0], more);
    }

    private static byte[] post(String path, byte[] body) {
        return message("POST", path, body, "Content-Length: " + body.length + "\r\n");
    }

    private static byte[] message(String method, String path, byte[] body, String... more) {
        String head = method + " " + path + " HTTP/1.1\r\nHost: here\r\nAccept: */*\r\nConnection: close\r\n"
                + String.join("", more) + "\r\n";
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes(head.getBytes(StandardCharsets.ISO_8859_1));
        bytes.writeBytes(body);
        return bytes.toByteArray();
    }

    /** The whole answer as bytes, less its date. */
    private static String ask(int port, byte[] request) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout((int) DEADLINE.toMillis());
            socket.getOutputStream().write(request);
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
            return answer.replaceFirst("(?m)^Date:.*\\R", "").replaceAll("http://here:\\d+", "http://here");
        }
    }

    private static String nobody() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return "http://127.0.0.1:" + socket.getLocalPort();
        }
    }

    @Test
    void answersAreTheSameByteByByteWhateverParallaxDoes() throws Exception {
        List<byte[]> requests = new ArrayList<>(PAGES.stream().map(path -> get(path)).toList());
        requests.add(message("HEAD", "/returns/1", new byte[0]));
        requests.add(post("/search?q=%2F", "words".getBytes(StandardCharsets.UTF_8)));
        go.countDown();
        int plain = start(null);
        List<String> expected = new ArrayList<>();
        for (byte[] request : requests) {
            expected.add(ask(plain, request));
        }
        String hanging = new FakeParallax(Say.HANG).url;
        String full = new FakeParallax(new Say(503, Map.of("Retry-After", "3600"))).url;
        for (String url : List.of(hanging, full, nobody(), new FakeParallax(Say.ACCEPT).url)) {
            int port = start(poster(url, options -> options.timeout = DEADLINE.multipliedBy(10)));
            long began = System.nanoTime();
            for (int at = 0; at < requests.size(); at++) {
                assertEquals(expected.get(at), ask(port, requests.get(at)));
            }
            assertTrue(System.nanoTime() - began < DEADLINE.toNanos(), "the answers waited for parallax");
        }
    }

    @Test
    void thePayloadIsTheContracts() throws Exception {
        System.setProperty("parallax.token", "a-secret");
        FakeParallax fake = new FakeParallax(Say.ACCEPT);
        Poster poster = poster(fake.url, options -> { });
        int port = start(poster);
        byte[] words = "w\u00f6rter".getBytes(StandardCharsets.UTF_8);
        List<byte[]> asked = List.of(get("/returns/1?a=%2F&b"), get("/returns/bytes"), get("/returns/latin"),
                message("HEAD", "/returns/1", new byte[0]), get("/returns/none"), get("/returns/moved"), get("/returns/reset"),
                post("/search", words), post("/search", BYTES),
                get("/returns/coded"));
        for (int number = 1; number <= asked.size(); number++) {
            ask(port, asked.get(number - 1));
            int expected = number;
            until(() -> poster.counts().posted() == expected, "it is posted");
        }
        Asked first = fake.requests.get(0);
        assertEquals("/consistency-checks", first.path);
        assertEquals(List.of("application/x-ndjson"), first.headers.get("Content-type"));
        assertEquals(List.of("Bearer a-secret"), first.headers.get("Authorization"));
        String head = "\"headers\":{\"host\":\"here\",\"accept\":\"*/*\",\"connection\":\"close\"},\"body\":null}";
        String one = fake.checks().get(0);
        assertEquals("{\"id\":\"…\",\"request\":{\"method\":\"GET\",\"url\":{\"path\":\"/returns/1?a=%2F&b\"}," + head
                + ",\"response\":{\"status\":200,\"headers\":{\"x-two\":[\"a\",\"b\"],"
                + "\"content-type\":\"application/json;charset=UTF-8\",…},"
                + "\"body\":\"{\\\"name\\\": \\\"J\u00f6rg \ud83d\ude00\\\", \\\"id\\\": 1}\\u000a\"}}",
                ID.matcher(one).replaceFirst("\"id\":\"…\"").replaceAll(
                        "(charset=UTF-8\")(,\"(?:date|content-length|connection)\":\"[^\"]*\")+", "$1,…"));
        Pattern body = Pattern.compile("\"body\":(null|\"(?:[^\"\\\\]|\\\\.)*\")(,\"body_encoding\":\"base64\")?");
        List<List<String>> bodies = fake.checks().stream()
                .map(check -> body.matcher(check).results().map(MatchResult::group).toList()).toList();
        String none = "\"body\":null";
        assertEquals(List.of(none, coded(BYTES)), bodies.get(1));
        assertEquals(List.of(none, coded("pl\u00e4in".getBytes(StandardCharsets.ISO_8859_1))), bodies.get(2));
        assertEquals(List.of(none, none), bodies.get(3));
        assertEquals(List.of(none, none), bodies.get(4));
        assertTrue(fake.checks().get(4).contains("\"status\":404"));
        assertTrue(fake.checks().get(5).contains("\"status\":302,\"headers\":{\"location\":"), fake.checks().get(5));
        assertEquals(List.of(none, "\"body\":\"but this\""), bodies.get(6));
        assertEquals(List.of("\"body\":\"w\u00f6rter\"", "\"body\":\"asked: w\u00f6rter\""), bodies.get(7));
        ByteArrayOutputStream answered = new ByteArrayOutputStream();
        answered.writeBytes("asked: ".getBytes(StandardCharsets.UTF_8));
        answered.writeBytes(BYTES);
        assertEquals(List.of(coded(BYTES), coded(answered.toByteArray())), bodies.get(8));
        assertEquals(List.of(none, coded("looks like text".getBytes(StandardCharsets.UTF_8))), bodies.get(9));
    }

    private static String coded(byte[] bytes) {
        return "\"body\":\"" + Base64.getEncoder().encodeToString(bytes) + "\",\"body_encoding\":\"base64\"";
    }

    @Test
    void onlyWhatIsAskedForIsPostedAndOnlyWhole() throws Exception {
        FakeParallax fake = new FakeParallax(Say.ACCEPT);
        Poster poster = poster(fake.url, options -> {
            options.bodyLimit = 4000;
            options.methods = Set.of("GET", "POST");
        });
        int port = start(poster);
        for (byte[] unwanted : List.of(get("/returnsall"), message("HEAD", "/returns/1", new byte[0]),
                get("/returns/1", "Parallax-Recheck: 1\r\n"))) {
            ask(port, unwanted);
        }
        ask(port, get("/returns/large"));
        ask(port, get("/returns/error"));
        ask(port, get("/returns/denied"));
        ask(port, post("/search/unread", BYTES));
        ask(port, post("/search", new byte[4001]));
        until(() -> poster.counts().leftOut() == 5, "five are left out");
        ask(port, get("/returns/sized"));
        until(() -> poster.counts().posted() == 1, "one is posted");
        assertEquals(1, fake.checks().size());
        assertTrue(fake.checks().get(0).contains("\"path\":\"/returns/sized\""), fake.checks().get(0));
        assertEquals(new Poster.Counts(1, 0, 0, 5), poster.counts());
    }

    @Test
    void aStreamPassesAsItComesAndIsPostedWhenTheClientHasIt() throws Exception {
        for (String path : List.of("/returns/slow", "/returns/later")) {
            ClientsTest own = new ClientsTest(); // with a latch of its own
            try {
                own.stream(path);
            } finally {
                own.stop();
            }
        }
    }

    private void stream(String path) throws Exception {
        FakeParallax fake = new FakeParallax(Say.ACCEPT);
        Poster poster = poster(fake.url, options -> { });
        int port = start(poster);
        StringBuilder seen = new StringBuilder();
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout((int) DEADLINE.toMillis());
            socket.getOutputStream().write(get(path));
            for (int next = socket.getInputStream().read(); next >= 0; next = socket.getInputStream().read()) {
                seen.append((char) next);
                if (go.getCount() > 0 && seen.indexOf("first") > 0) {
                    assertEquals(List.of(), fake.requests);
                    go.countDown();
                }
            }
        }
        assertTrue(seen.indexOf("second") > 0, path + ": " + seen);
        until(() -> poster.counts().posted() == 1, path + " is posted");
        assertTrue(fake.checks().get(0).contains("\"body\":\"firstsecond\""), fake.checks().get(0));
    }

    @Test
    void theQueueIsBoundedAndWhatWaitedIsPostedTogether() throws Exception {
        FakeParallax fake = new FakeParallax(Say.HANG, Say.ACCEPT);
        Poster poster = poster(fake.url, options -> {
            options.queueChecks = 5;
            options.timeout = DEADLINE;
        });
        int port = start(poster);
        ask(port, get("/returns/1"));
        until(() -> fake.requests.size() == 1, "one is being posted");
        for (int count = 0; count < 8; count++) {
            ask(port, get("/returns/1"));
        }
        until(() -> poster.counts().dropped() == 3, "three find no room");
        fake.letGo.countDown(); // it breaks off, and the same batch comes again
        until(() -> poster.counts().posted() == 6, "six are posted");
        assertEquals(fake.requests.get(0).body, fake.requests.get(1).body, "with the same ids");
        assertEquals(6, fake.ids().size());
        assertEquals(3, fake.requests.size(), "five in one batch");
        assertEquals(new Poster.Counts(6, 3, 0, 0), poster.counts());
    }

    @Test
    void theQueueIsBoundedInBytes() throws Exception {
        Poster poster = poster(new FakeParallax(Say.HANG).url, options -> options.queueBytes = 10_000);
        int port = start(poster);
        for (int count = 0; count < 5; count++) {
            ask(port, get("/returns/large"));
        }
        until(() -> poster.counts().dropped() >= 3, "6,000 bytes fit once, besides what is being posted");
        Poster good = poster(new FakeParallax(Say.ACCEPT).url, options -> options.queueBytes = 10_000);
        int other = start(good);
        for (int count = 1; count <= 5; count++) {
            int expected = count;
            ask(other, get("/returns/large"));
            until(() -> good.counts().posted() == expected, "what was posted leaves room");
        }
    }

    @Test
    void a503IsTriedAgainWhenItSaysAndNotForEver() throws Exception {
        FakeParallax fake = new FakeParallax(new Say(503, Map.of("Retry-After", "0")),
                new Say(503, Map.of("Retry-After", "3600")), Say.ACCEPT);
        Poster patient = poster(fake.url, options -> options.longestPause = Duration.ofMillis(10));
        ask(start(patient), get("/returns/1"));
        until(() -> patient.counts().posted() == 1, "it is posted");
        assertEquals(3, fake.requests.size());
        assertEquals(1, fake.ids().size());
        for (var refusal : Map.of(503, 4, 401, 1).entrySet()) {
            FakeParallax refusing = new FakeParallax(new Say(refusal.getKey(), Map.of()));
            Poster poster = poster(refusing.url, options -> { });
            ask(start(poster), get("/returns/1"));
            until(() -> poster.counts().failed() == 1, "it is given up");
            assertEquals(refusal.getValue(), refusing.requests.size());
            assertTrue(poster.lastError().contains(refusal.getKey() + ": "), poster.lastError());
        }
    }

    @Test
    void itClosesInTimeAndPostsWhatItCan() throws Exception {
        Poster good = poster(new FakeParallax(Say.ACCEPT).url, options -> { });
        int port = start(good);
        for (int count = 0; count < 20; count++) {
            ask(port, get("/returns/1"));
        }
        until(() -> good.counts().posted() > 0, "the last answer has ended");
        good.close();
        assertEquals(new Poster.Counts(20, 0, 0, 0), good.counts());
        FakeParallax fake = new FakeParallax(Say.HANG);
        Poster poster = poster(fake.url, options -> options.timeout = DEADLINE.multipliedBy(10));
        int other = start(poster);
        ask(other, get("/returns/1"));
        until(() -> fake.requests.size() == 1, "one is being posted");
        ask(other, get("/returns/1"));
        long began = System.nanoTime();
        poster.close(Duration.ofMillis(100));
        assertTrue(System.nanoTime() - began < DEADLINE.toNanos(), "it waited for parallax");
        ask(other, get("/returns/1"));
        until(() -> poster.counts().equals(new Poster.Counts(0, 2, 1, 0)), "what waited and what comes later is counted");
    }

    @Test
    void aRealParallaxAcceptsThem() throws Exception {
        String control = System.getenv("PARALLAX_CONTROL");
        Assumptions.assumeTrue(control != null, "no parallax to post to (PARALLAX_CONTROL)");
        Poster poster = poster(control, options -> options.paths = List.of("/servlet"));
        int port = start(poster);
        ask(port, get("/servlet/bytes"));
        for (int number = 0; number < 19; number++) {
            ask(port, get("/servlet/" + number));
        }
        until(() -> poster.counts().posted() + poster.counts().failed() == 20, "all are posted");
        assertEquals(new Poster.Counts(20, 0, 0, 0), poster.counts(), poster.lastError());
    }
}
