package clients;

import jakarta.servlet.ServletOutputStream;
import jakarta.servlet.WriteListener;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpServletResponseWrapper;
import java.io.FilterWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.Writer;
import java.util.concurrent.atomic.AtomicBoolean;

/** An answer whose body is copied on its way to the client; the client's comes first. */
final class WatchedAnswer extends HttpServletResponseWrapper {
    private final Body body;
    private ServletOutputStream stream;
    private PrintWriter writer;
    private Writer copy;
    private final AtomicBoolean isFirst = new AtomicBoolean(true);
    private volatile boolean isLeftOut;

    WatchedAnswer(HttpServletResponse response, int limit) {
        super(response);
        body = new Body(limit);
    }

    /**
     * Ends the answer, as the container does when all filters are done, so that nothing is posted before. False where
     * the container has still something to say.
     */
    boolean finish() throws IOException {
        if (isLeftOut || getStatus() == SC_SWITCHING_PROTOCOLS) {
            return false;
        }
        if (writer != null) {
            writer.close();
        } else {
            getOutputStream().close();
        }
        return true;
    }

    /** Whether this is asked for the first time: an exchange counts once. */
    boolean isFirstTime() {
        return isFirst.getAndSet(false);
    }

    void leaveOut() {
        isLeftOut = true;
        body.leaveOut();
    }

    /** Null where it was not seen whole. */
    byte[] body() {
        try {
            if (copy != null) {
                copy.flush();
            }
        } catch (IOException impossible) { // it is memory
            return null;
        }
        return body.bytes();
    }

    @Override
    public ServletOutputStream getOutputStream() throws IOException {
        if (stream == null) {
            stream = new Copied(super.getOutputStream());
        }
        return stream;
    }

    /** The container's own writer goes on to encode; the same characters are encoded once more for the copy. */
    @Override
    public PrintWriter getWriter() throws IOException {
        if (writer == null) {
            PrintWriter container = super.getWriter();
            copy = new OutputStreamWriter(body, getCharacterEncoding());
            writer = new PrintWriter(new CopiedText(container)) {
                @Override
                public boolean checkError() {
                    return super.checkError() | container.checkError();
                }
            };
        }
        return writer;
    }

    @Override
    public void sendError(int status) throws IOException {
        leaveOut(); // the container writes the page
        super.sendError(status);
    }

    @Override
    public void sendError(int status, String message) throws IOException {
        leaveOut();
        super.sendError(status, message);
    }

    @Override
    public void resetBuffer() {
        super.resetBuffer();
        again();
    }

    @Override
    public void reset() {
        super.reset();
        again();
        stream = null;
        writer = null;
        copy = null;
    }

    private void again() {
        body(); // what the copy still holds belongs to what is forgotten
        if (!isLeftOut) {
            body.begin();
        }
    }

    private final class CopiedText extends FilterWriter {
        CopiedText(PrintWriter to) {
            super(to);
        }

        @Override
        public void write(int character) throws IOException {
            out.write(character);
            copy.write(character);
        }

        @Override
        public void write(char[] from, int offset, int length) throws IOException {
            out.write(from, offset, length);
            copy.write(from, offset, length);
        }

        @Override
        public void write(String from, int offset, int length) throws IOException {
            out.write(from, offset, length);
            copy.write(from, offset, length);
        }
    }

    private final class Copied extends ServletOutputStream {
        private final ServletOutputStream to;

        Copied(ServletOutputStream to) {
            this.to = to;
        }

        @Override
        public void write(int value) throws IOException {
            to.write(value);
            body.write(value);
        }

        @Override
        public void write(byte[] from, int offset, int length) throws IOException {
            to.write(from, offset, length);
            body.write(from, offset, length);
        }

        @Override
        public void flush() throws IOException {
            to.flush();
        }

        @Override
        public void close() throws IOException {
            to.close();
        }

        @Override
        public boolean isReady() {
            return to.isReady();
        }

        @Override
        public void setWriteListener(WriteListener listener) {
            to.setWriteListener(listener);
        }
    }
}
