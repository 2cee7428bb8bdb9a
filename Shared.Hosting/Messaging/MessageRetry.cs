using ConcertSaga.Shared.Hosting.Failures;
using MassTransit;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>
/// Retries messages whose handling failed: for up to ten minutes after a transient failure, otherwise three times. Then the message moves
/// to the <c>_error</c> queue. Each retry has a new scope and transaction.
/// </summary>
internal static class MessageRetry
{
    // From 50 ms, doubling, to 15 s; together a little over ten minutes.
    private static readonly TimeSpan[] TransientBackOff =
        [.. Enumerable.Range(0, 9).Select(step => TimeSpan.FromMilliseconds(50 * Math.Pow(2, step))),
            .. Enumerable.Repeat(TimeSpan.FromSeconds(15), 39)];

    private static readonly TimeSpan[] OtherBackOff =
        [TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(2)];

    /// <summary>Adds both kinds of retry to an endpoint.</summary>
    public static void Apply(IConsumePipeConfigurator endpoint)
    {
        endpoint.UseMessageRetry(retry =>
        {
            retry.Handle<Exception>(FailurePolicy.IsTransient);
            retry.Intervals(TransientBackOff);
        });
        endpoint.UseMessageRetry(retry =>
        {
            retry.Handle<Exception>(exception => exception is not OperationCanceledException && !FailurePolicy.IsTransient(exception));
            retry.Intervals(OtherBackOff);
        });
    }
}
