namespace ConcertSaga.Gateway.Proxy;

/// <summary>
/// The check of the waiting room's pass, between sign-in and proxying. Routes say in their metadata, under <see cref="Metadata"/>, whether
/// they need one: <c>Book</c>, <c>Pay</c>, or nothing.
/// </summary>
internal static class QueuePass
{
    /// <summary>The metadata key of a route.</summary>
    public const string Metadata = "QueueToken";

    /// <summary>
    /// There is no waiting room yet, and so no pass anybody could show: every signed-in caller goes through, on routes marked
    /// <c>Book</c> or <c>Pay</c> too. This is the one place that changes when there is one.
    /// </summary>
    public static Task CheckAsync(HttpContext context, RequestDelegate next) => next(context);
}
