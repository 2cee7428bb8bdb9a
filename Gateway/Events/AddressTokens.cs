using ConcertSaga.Gateway.Queue;
using Microsoft.AspNetCore.WebUtilities;

namespace ConcertSaga.Gateway.Events;

/// <summary>
/// A browser's <c>EventSource</c> cannot send headers, so event streams take both tokens in the address too. They are moved into the headers
/// before anything else looks at the request, and no other route takes them from there.
/// </summary>
internal static class AddressTokens
{
    public static void UseAddressTokens(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        var request = context.Request;
        if (request.QueryString.HasValue && request.Path.Value is { } path && path.EndsWith("/events", StringComparison.OrdinalIgnoreCase)
            && path.StartsWith("/api/", StringComparison.OrdinalIgnoreCase))
        {
            if (request.Query["access_token"] is [{ Length: > 0 } access] && request.Headers.Authorization.Count == 0)
                request.Headers.Authorization = $"Bearer {access}";
            if (request.Query["queue_token"] is [{ Length: > 0 } queue] && !request.Headers.ContainsKey(QueuePass.Header))
                request.Headers[QueuePass.Header] = queue;
            request.QueryString = QueryString.Create(QueryHelpers.ParseQuery(request.QueryString.Value)
                .Where(pair => !pair.Key.Equals("access_token", StringComparison.OrdinalIgnoreCase) && !pair.Key.Equals("queue_token", StringComparison.OrdinalIgnoreCase)));
        }
        return next(context);
    });
}
