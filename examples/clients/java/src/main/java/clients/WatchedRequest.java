package clients;

import jakarta.servlet.AsyncContext;
import jakarta.servlet.AsyncListener;
import jakarta.servlet.ReadListener;
import jakarta.servlet.ServletInputStream;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;

/** A request whose body is copied as far as the servlet reads it. */
final class WatchedRequest extends HttpServletRequestWrapper {
    private final WatchedAnswer answer;
    private final Body body;
    private final AsyncListener whenComplete;
    private volatile boolean isAsync;
    private ServletInputStream stream;
    private BufferedReader reader;
    private boolean isAtEnd;

    WatchedRequest(HttpServletRequest request, WatchedAnswer answer, int limit, AsyncListener whenComplete) {
        super(request);
        this.answer = answer;
        this.whenComplete = whenComplete;
        this.body = new Body(limit);
    }

    /** Null where it was not seen whole: too large, not read, or read by the container for `getParameter`. */
    byte[] body() {
        byte[] bytes = body.bytes();
        long length = getContentLengthLong();
        boolean isWhole = length >= 0 ? bytes != null && bytes.length == length
                : isAtEnd || getHeader("transfer-encoding") == null;
        return isWhole ? bytes : null;
    }

    /** The container's own would hand out the answer that is not watched. */
    @Override
    public AsyncContext startAsync() {
        return startAsync(this, answer);
    }

    @Override
    public AsyncContext startAsync(ServletRequest request, ServletResponse response) {
        AsyncContext context = super.startAsync(request, response);
        // At once, and not when the filter is done: by then it may be complete. Supplied: this, and no wrapper of it.
        context.addListener(whenComplete, this, answer);
        isAsync = true;
        return context;
    }

    /** Whether the answer ends later than the filter. */
    boolean isAsync() {
        return isAsync;
    }

    WatchedAnswer answer() {
        return answer;
    }

    @Override
    public ServletInputStream getInputStream() throws IOException {
        if (stream == null) {
            stream = new Copied(super.getInputStream());
        }
        return stream;
    }

    @Override
    public BufferedReader getReader() throws IOException {
        if (reader == null) {
            String encoding = getCharacterEncoding();
            Charset charset = encoding == null ? StandardCharsets.ISO_8859_1 : Charset.forName(encoding);
            reader = new BufferedReader(new InputStreamReader(getInputStream(), charset));
        }
        return reader;
    }

    private final class Copied extends ServletInputStream {
        private final ServletInputStream from;

        Copied(ServletInputStream from) {
            this.from = from;
        }

        @Override
        public int read() throws IOException {
            int value = from.read();
            if (value >= 0) {
                body.write(value);
            } else {
                isAtEnd = true;
            }
            return value;
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            int count = from.read(into, offset, length);
            if (count > 0) {
                body.write(into, offset, count);
            } else if (count < 0) {
                isAtEnd = true;
            }
            return count;
        }

        @Override
        public int available() throws IOException {
            return from.available();
        }

        @Override
        public boolean isFinished() {
            return from.isFinished();
        }

        @Override
        public boolean isReady() {
            return from.isReady();
        }

        @Override
        public void setReadListener(ReadListener listener) {
            from.setReadListener(listener);
        }

        @Override
        public void close() throws IOException {
            from.close();
        }
    }
}
