package clients;

import jakarta.servlet.AsyncEvent;
import jakarta.servlet.AsyncListener;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

/**
 * Posts what was asked and answered to parallax, after the client has its answer. It has to be the first filter, to
 * see what the client sees, and supports asynchronous servlets ({@code <async-supported>true</async-supported>}).
 *
 * <p>A page that the container writes for {@code sendError} or an exception does not come by here; such an exchange is
 * left out and counted.
 */
public final class PostedChecks implements Filter {
    private final Poster poster;

    public PostedChecks(Poster poster) {
        this.poster = poster;
    }

    @Override
    public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        if (!(request instanceof HttpServletRequest asked) || !(response instanceof HttpServletResponse answered)
                || asked.getDispatcherType() != DispatcherType.REQUEST || !isWanted(asked)) {
            chain.doFilter(request, response);
            return;
        }
        var watchedAnswer = new WatchedAnswer(answered, poster.options.bodyLimit);
        var watchedRequest = new WatchedRequest(asked, watchedAnswer, poster.options.bodyLimit, new WhenComplete());
        boolean isSeen = false;
        try {
            chain.doFilter(watchedRequest, watchedAnswer);
            // The client has its answer before anything is posted.
            isSeen = watchedRequest.isAsync() || !asked.isAsyncStarted() && watchedAnswer.finish();
        } finally {
            if (!isSeen) {
                watchedAnswer.leaveOut();
            }
            if (!watchedRequest.isAsync()) {
                offer(watchedRequest, watchedAnswer);
            }
        }
    }

    @Override
    public void destroy() {
        poster.close();
    }

    /** What parallax itself has sent is marked, and is not checked again: otherwise checks would beget checks. */
    private boolean isWanted(HttpServletRequest asked) {
        return poster.wants(asked.getMethod(), asked.getRequestURI()) && Collections.list(asked.getHeaderNames())
                .stream().noneMatch(name -> name.regionMatches(true, 0, "parallax-", 0, "parallax-".length()));
    }

    private void offer(WatchedRequest request, WatchedAnswer answer) {
        if (!answer.isFirstTime()) {
            return;
        }
        byte[] requestBody = request.body();
        byte[] body = answer.body();
        if (requestBody == null || body == null) {
            poster.leaveOut();
            return;
        }
        String query = request.getQueryString();
        String path = request.getRequestURI() + (query == null ? "" : "?" + query);
        var requestHeaders = headers(Collections.list(request.getHeaderNames()),
                name -> Collections.list(request.getHeaders(name)));
        var headers = headers(answer.getHeaderNames(), answer::getHeaders);
        poster.offer(new Check(request.getMethod(), path, requestHeaders, requestBody, answer.getStatus(), headers, body));
    }

    private static Map<String, List<String>> headers(
            Collection<String> names, Function<String, Collection<String>> valuesOf) {
        Map<String, List<String>> headers = new LinkedHashMap<>();
        for (String name : names) {
            headers.put(name.toLowerCase(Locale.ROOT), valuesOf.apply(name).stream().map(Check::header).toList());
        }
        return headers;
    }

    /** An asynchronous servlet answers when the filter is long done. */
    private final class WhenComplete implements AsyncListener {
        @Override
        public void onComplete(AsyncEvent event) {
            WatchedRequest request = (WatchedRequest) event.getSuppliedRequest();
            offer(request, request.answer());
        }

        @Override
        public void onTimeout(AsyncEvent event) {
            ((WatchedRequest) event.getSuppliedRequest()).answer().leaveOut();
        }

        @Override
        public void onError(AsyncEvent event) {
            ((WatchedRequest) event.getSuppliedRequest()).answer().leaveOut();
        }

        @Override
        public void onStartAsync(AsyncEvent event) {
            // The request adds this listener whenever it starts.
        }
    }
}
