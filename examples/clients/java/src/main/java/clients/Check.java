package clients;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An exchange, and how parallax reads it. Names of headers are in lower case. */
record Check(String method, String path, Map<String, List<String>> requestHeaders, byte[] requestBody,
        int status, Map<String, List<String>> headers, byte[] body) {

    private static final Pattern CHARSET = Pattern.compile("charset\\s*=\\s*\"?([^\\s;\"]+)", Pattern.CASE_INSENSITIVE);

    /** Bytes that it holds, about. */
    long size() {
        return requestBody.length + body.length + 64L * (requestHeaders.size() + headers.size());
    }

    /** As one line of JSON. */
    StringBuilder write(StringBuilder to) {
        text(to.append("{\"id\":"), UUID.randomUUID().toString());
        text(to.append(",\"request\":{\"method\":"), method);
        text(to.append(",\"url\":{\"path\":"), path).append('}');
        message(to, requestHeaders, requestBody).append("},\"response\":{\"status\":").append(status);
        boolean isBodiless = method.equals("HEAD") || status == 204 || status == 304;
        return message(to, headers, isBodiless ? new byte[0] : body).append("}}");
    }

    private static StringBuilder message(StringBuilder to, Map<String, List<String>> headers, byte[] body) {
        to.append(",\"headers\":{");
        String comma = "";
        for (var header : headers.entrySet()) {
            text(to.append(comma), header.getKey()).append(':');
            comma = ",";
            List<String> values = header.getValue();
            if (values.size() == 1) {
                text(to, values.get(0));
            } else { // a name that stands on several lines
                for (int at = 0; at < values.size(); at++) {
                    text(to.append(at == 0 ? '[' : ','), values.get(at));
                }
                to.append(']');
            }
        }
        to.append("},\"body\":");
        if (body.length == 0) {
            return to.append("null");
        }
        String text = isText(headers) ? utf8(body) : null;
        if (text != null) {
            return text(to, text);
        }
        return text(to, Base64.getEncoder().encodeToString(body)).append(",\"body_encoding\":\"base64\"");
    }

    /** A text is the body as it is only where it is not compressed, and is UTF-8 and says nothing else. */
    private static boolean isText(Map<String, List<String>> headers) {
        Matcher charset = CHARSET.matcher(String.join(",", headers.getOrDefault("content-type", List.of())));
        return !headers.containsKey("content-encoding")
                && (!charset.find() || charset.group(1).toLowerCase(Locale.ROOT).matches("utf-?8"));
    }

    /** Containers read and write headers as Latin-1; parallax reads UTF-8, which is mostly what they are. */
    static String header(String value) {
        Charset latin = StandardCharsets.ISO_8859_1;
        String text = utf8(value.getBytes(latin));
        return text == null ? value : text;
    }

    /** Null where these bytes are no UTF-8. */
    private static String utf8(byte[] bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException other) {
            return null;
        }
    }

    private static StringBuilder text(StringBuilder to, String text) {
        to.append('"');
        for (int at = 0; at < text.length(); at++) {
            char character = text.charAt(at);
            if (character == '"' || character == '\\') {
                to.append('\\').append(character);
            } else if (character < 0x20) {
                to.append(String.format("\\u%04x", (int) character));
            } else {
                to.append(character);
            }
        }
        return to.append('"');
    }
}
