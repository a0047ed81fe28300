package clients;

import java.io.OutputStream;
import java.io.ByteArrayOutputStream;

/** A copy of the bytes that pass. Beyond the limit they are forgotten, and pass on. */
final class Body extends OutputStream {
    private final int limit;
    private ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    Body(int limit) {
        this.limit = limit;
    }

    @Override
    public synchronized void write(int value) {
        write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public synchronized void write(byte[] from, int offset, int length) {
        if (bytes != null && bytes.size() + (long) length > limit) {
            bytes = null;
        } else if (bytes != null) {
            bytes.write(from, offset, length);
        }
    }

    /** Forgets what came; what comes from now on counts. */
    synchronized void begin() {
        bytes = new ByteArrayOutputStream();
    }

    /** Forgets what came, and what comes. */
    synchronized void leaveOut() {
        bytes = null;
    }

    /** Null where it was too large, or was left out. */
    synchronized byte[] bytes() {
        return bytes == null ? null : bytes.toByteArray();
    }
}
