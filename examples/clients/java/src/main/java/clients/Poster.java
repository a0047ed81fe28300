package clients;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;

/**
 * Posts checks to parallax, from a service that has answered its client already.
 *
 * <p>{@link #offer} puts an exchange into a bounded queue and returns. It waits for nothing: where the queue is full,
 * the exchange is dropped and counted. One thread posts what waits, as many at once as there are. Whatever parallax
 * does, the service pays with the memory of the queue and nothing else.
 */
public final class Poster implements AutoCloseable {
    /** What may be set; {@code url} and {@code paths} have to be. */
    public static final class Options {
        /** The control listener, such as http://127.0.0.1:9900. */
        public URI url;
        /** What is checked: {@code /returns} means itself and what is below it. */
        public List<String> paths = List.of();
        public Set<String> methods = Set.of("GET", "HEAD");
        public int bodyLimit = 256 * 1024;
        public int queueChecks = 1000;
        public long queueBytes = 32 << 20;
        public Duration timeout = Duration.ofSeconds(5);
        public int attempts = 4;
        public Duration pause = Duration.ofSeconds(1);
        public Duration longestPause = Duration.ofSeconds(30);
    }

    /** What became of the exchanges, until now. */
    public record Counts(long posted, long dropped, long failed, long leftOut) {}

    private static final int BATCH_CHECKS = 100;
    /** And one exchange more; parallax takes 1,000 checks and 16 MiB. */
    private static final int BATCH_BYTES = 512 * 1024;
    private static final Set<Integer> TRY_AGAIN = Set.of(408, 429, 500, 502, 503, 504);
    /** A quote within a string is escaped, so neither of these is ever found in one. */
    private static final Pattern ACCEPTED = Pattern.compile("\"status\":\\s*202\\b");
    private static final Pattern DETAIL = Pattern.compile("\"detail\":\\s*\"((?:[^\"\\\\]|\\\\.)*+)\"");

    final Options options;
    private final HttpClient client = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1).proxy(HttpClient.Builder.NO_PROXY).build();
    private final ArrayDeque<Check> waiting = new ArrayDeque<>();
    private long bytes;
    private long posted;
    private long dropped;
    private long failed;
    private long leftOut;
    private String lastError;
    private Thread thread;
    private boolean closing;

    public Poster(Options options) {
        this.options = options;
    }

    /** On disk at parallax; no room, or closed; not accepted, see {@link #lastError}; too large, or not seen whole. */
    public synchronized Counts counts() {
        return new Counts(posted, dropped, failed, leftOut);
    }

    /** Why the last of those that failed has failed; null when none has. */
    public synchronized String lastError() {
        return lastError;
    }

    boolean wants(String method, String path) {
        return options.methods.contains(method) && options.paths.stream().anyMatch(prefix -> path.equals(prefix)
                || path.startsWith(prefix.endsWith("/") ? prefix : prefix + "/"));
    }

    synchronized void leaveOut() {
        leftOut++;
    }

    /** Takes an exchange, if there is room. */
    synchronized void offer(Check check) {
        if (closing || waiting.size() >= options.queueChecks || bytes + check.size() > options.queueBytes) {
            dropped++;
            return;
        }
        waiting.add(check);
        bytes += check.size();
        if (thread == null) {
            thread = new Thread(this::run, "parallax-poster");
            thread.setDaemon(true); // a process that ends does not wait for parallax
            thread.start();
        }
        notifyAll();
    }

    @Override
    public void close() {
        close(Duration.ofSeconds(5));
    }

    /** Posts what waits, for so long at most; what is left then is dropped. */
    public void close(Duration wait) {
        Thread thread;
        synchronized (this) {
            closing = true;
            notifyAll();
            thread = this.thread;
        }
        try {
            if (thread != null) {
                thread.join(Math.max(1, wait.toMillis()));
                thread.interrupt();
            }
        } catch (InterruptedException hurried) {
            Thread.currentThread().interrupt();
        }
        synchronized (this) {
            dropped += waiting.size();
            waiting.clear();
        }
    }

    private void run() {
        try {
            for (List<Check> batch = take(); !batch.isEmpty(); batch = take()) {
                int accepted = 0;
                String error = null;
                try {
                    accepted = post(batch);
                    error = accepted == batch.size() ? null : "not accepted: " + refusal;
                } catch (InterruptedException closed) {
                    error = "closed";
                    throw closed;
                } catch (RuntimeException unexpected) { // the one thread must go on
                    error = unexpected.toString();
                } finally {
                    count(batch.size(), accepted, error);
                }
            }
        } catch (InterruptedException closed) {
            // What waits is counted by `close`.
        }
    }

    private synchronized void count(int size, int accepted, String error) {
        posted += accepted;
        failed += size - accepted;
        lastError = error == null ? lastError : error;
    }

    private synchronized List<Check> take() throws InterruptedException {
        while (waiting.isEmpty() && !closing) {
            wait();
        }
        List<Check> batch = new ArrayList<>();
        long size = 0;
        while (!waiting.isEmpty() && batch.size() < BATCH_CHECKS && size < BATCH_BYTES) {
            batch.add(waiting.remove());
            size += batch.get(batch.size() - 1).size();
        }
        bytes -= size;
        return batch;
    }

    /** Why some were not accepted; the thread's own. */
    private String refusal;

    /** How many were accepted. */
    private int post(List<Check> batch) throws InterruptedException {
        // The ids are made once: with them it is safe to post again what may have arrived.
        StringBuilder lines = new StringBuilder();
        batch.forEach(check -> check.write(lines).append('\n'));
        HttpRequest.Builder request = HttpRequest.newBuilder(options.url.resolve("/consistency-checks"))
                .header("Content-Type", "application/x-ndjson")
                .POST(HttpRequest.BodyPublishers.ofString(lines.toString()));
        String token = token();
        if (token != null) {
            request.header("Authorization", "Bearer " + token);
        }
        for (int attempt = 1; ; attempt++) {
            Duration pause = options.pause;
            try {
                HttpResponse<String> answer = send(request.build());
                if (answer.statusCode() == 207) {
                    refusal = DETAIL.matcher(answer.body()).results().findFirst().map(found -> found.group(1)).orElse("?");
                    return (int) Math.min(batch.size(), ACCEPTED.matcher(answer.body()).results().count());
                }
                refusal = answer.statusCode() + ": " + answer.body();
                if (!TRY_AGAIN.contains(answer.statusCode())) {
                    return 0;
                }
                pause = answer.headers().firstValue("retry-after").filter(value -> value.matches("[0-9]{1,9}"))
                        .map(value -> Duration.ofSeconds(Long.parseLong(value))).orElse(pause);
            } catch (ExecutionException unreachable) {
                refusal = unreachable.getCause().toString();
            } catch (TimeoutException hanging) {
                refusal = "no answer within " + options.timeout;
            }
            if (attempt >= options.attempts || !paused(pause)) {
                return 0;
            }
        }
    }

    /** With the role {@code intake}; on loopback none is needed. A test may set it as a property. */
    private static String token() {
        return System.getProperty("parallax.token", System.getenv("PARALLAX_TOKEN"));
    }

    /** The time is for the whole of it: the client's own ends with the head of the answer. */
    private HttpResponse<String> send(HttpRequest request)
            throws InterruptedException, ExecutionException, TimeoutException {
        var sent = client.sendAsync(request, HttpResponse.BodyHandlers.ofString());
        try {
            return sent.get(options.timeout.toMillis(), TimeUnit.MILLISECONDS);
        } finally {
            sent.cancel(true);
        }
    }

    /** Waits before the next attempt; false when there is no time for it, because this is closing. */
    private synchronized boolean paused(Duration pause) throws InterruptedException {
        Duration bounded = pause.compareTo(options.longestPause) < 0 ? pause : options.longestPause;
        long until = System.nanoTime() + bounded.toNanos();
        for (long left = bounded.toNanos(); left > 0 && !closing; left = until - System.nanoTime()) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return !closing;
    }
}
