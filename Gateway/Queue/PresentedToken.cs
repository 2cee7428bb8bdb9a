namespace ConcertSaga.Gateway.Queue;

/// <summary>The queue token of a request, after its check.</summary>
/// <param name="Text">The token as the caller sent it.</param>
/// <param name="Token">The verified token.</param>
/// <param name="UserId">The caller, who owns the token.</param>
/// <param name="Use">Why the route needs the token.</param>
/// <param name="Refusal">Why the token opens nothing new; null if it opens the route. Only set on repeatable routes.</param>
internal sealed record PresentedToken(string Text, VerifiedToken Token, string UserId, QueueTokenUse Use, QueueRefusal? Refusal = null)
{
    /// <summary>
    /// Whether the gateway sends the token's id to the service. A booking service treats the id as a live pass. Queue checks the token
    /// itself.
    /// </summary>
    public bool IsNamedToService => Refusal is null || Use == QueueTokenUse.Any;
}
