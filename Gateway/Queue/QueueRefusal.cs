using ConcertSaga.Gateway.Rejections;
using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.Gateway.Queue;

/// <summary>Why a queue token does not open a route now.</summary>
/// <param name="Refusal">The refusal that the client receives.</param>
/// <param name="Reason">The exact reason, which only the metrics show.</param>
internal sealed record QueueRefusal(Refusal Refusal, string? Reason = null)
{
    public static readonly QueueRefusal Missing = new(Refusals.QueueTokenMissing);

    public static readonly QueueRefusal Expired = new(Refusals.QueueTokenExpired);

    public static readonly QueueRefusal Revoked = new(Refusals.QueueTokenRevoked);

    public static readonly QueueRefusal NotYours = new(Refusals.QueueTokenNotYours);

    public static readonly QueueRefusal NotActive = new(Refusals.QueueTokenNotActive);

    public static readonly QueueRefusal WrongConcert = new(Refusals.QueueTokenWrongConcert);

    public static readonly QueueRefusal Unavailable = new(Refusals.QueueUnavailable);

    public string Code => Refusal.Code;

    public static QueueRefusal Invalid(string reason) => new(Refusals.QueueTokenInvalid, reason);

    /// <summary>Whether the repeat of a successful request can meet this refusal.</summary>
    public bool CanMeetRepeat => this == Expired || this == Revoked || this == NotActive || this == Unavailable;

    public Task AnswerAsync(HttpContext context)
    {
        RefusalCounter.SetReason(context, Reason);
        return Refusal.Answer().ExecuteAsync(context);
    }
}
