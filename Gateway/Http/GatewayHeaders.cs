namespace ConcertSaga.Gateway.Http;

/// <summary>Names the request headers of the gateway's own.</summary>
internal static class GatewayHeaders
{
    /// <summary>Carries the customer's queue token.</summary>
    public const string QueueToken = "X-Queue-Token";
}
