using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.Gateway.Queue;

/// <summary>Why a queue token opens nothing here and now.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Code">The stable code clients decide by.</param>
/// <param name="Detail">What to do, in a sentence.</param>
/// <param name="Reason">More than the caller is told, for the metrics.</param>
internal sealed record QueueRefusal(int Status, string Code, string Detail, string? Reason = null)
{
    public static readonly QueueRefusal Missing =
        new(StatusCodes.Status400BadRequest, "QUEUE_TOKEN_MISSING", $"Send the newest queue token you were given in the header {QueuePass.Header}.");

    public static readonly QueueRefusal Expired =
        new(StatusCodes.Status410Gone, "QUEUE_TOKEN_EXPIRED", "The queue token is over. Enter the waiting room again.");

    public static readonly QueueRefusal Revoked =
        new(StatusCodes.Status410Gone, "QUEUE_TOKEN_REVOKED", "The queue token was used or given up. Enter the waiting room again.");

    public static readonly QueueRefusal NotYours =
        new(StatusCodes.Status403Forbidden, "QUEUE_TOKEN_NOT_YOURS", "The queue token is another user's.");

    public static readonly QueueRefusal NotActive =
        new(StatusCodes.Status403Forbidden, "QUEUE_TOKEN_NOT_ACTIVE", "The queue token still waits. Ask for your place until you are let in.");

    public static readonly QueueRefusal WrongConcert =
        new(StatusCodes.Status403Forbidden, "QUEUE_TOKEN_WRONG_CONCERT", "The queue token is for another concert.");

    public static readonly QueueRefusal Unavailable =
        new(StatusCodes.Status503ServiceUnavailable, "QUEUE_UNAVAILABLE", "Queue tokens cannot be checked right now. Wait as long as Retry-After says, then try again.");

    public static QueueRefusal Invalid(string reason) =>
        new(StatusCodes.Status401Unauthorized, "QUEUE_TOKEN_INVALID", "The queue token is none. Send the newest one you were given, as you were given it.", reason);

    public Task AnswerAsync(HttpContext context)
    {
        RefusalCounter.Because(context, Reason);
        return Problems.Refuse(Status, Code, Detail).ExecuteAsync(context);
    }
}
