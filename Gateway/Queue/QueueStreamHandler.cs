using System.Globalization;
using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Events;
using ConcertSaga.Gateway.Upstream;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Answers <c>GET /api/queue/tokens/current/events</c> with a stream: each new position, then the pass, then its end. Positions come from
/// the same memory as polls. When it is the caller's turn, the handler claims the pass from Queue.
/// </summary>
internal sealed class QueueStreamHandler(RoomDirectory rooms, QueueTokenCheck check, QueuePollHandler polls, EventStreamRegistry streams,
    UpstreamClient upstream, TimeProvider time)
    : IDisposable
{
    /// <summary>The name of this handler in a route's metadata <c>AnsweredBy</c>.</summary>
    public const string Name = "QueueEvents";

    private const string Left = "Left", Completed = "Completed", Expired = "Expired";

    private static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ClaimTimeout = TimeSpan.FromSeconds(5);

    // Limits the concurrent claims when many customers are admitted at once.
    private readonly SemaphoreSlim _claims = new(64);

    public void Dispose() => _claims.Dispose();

    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var presented = context.Features.GetRequiredFeature<PresentedToken>();
        if (presented.Token.Kind == QueueTokenKind.Pass && polls.RefusePass(presented.Token) is { } refusal)
        {
            await refusal.AnswerAsync(context);
            return;
        }
        await using var stream = await streams.OpenAsync(context, presented.UserId);
        if (stream is not null)
            await FollowAsync(stream, presented);
    }

    private async Task FollowAsync(EventStream stream, PresentedToken presented)
    {
        if (presented.Token.Kind == QueueTokenKind.Pass)
            await SendAsync(stream, "active", polls.ViewPass(presented.Text, presented.Token));
        long? sentPosition = null;
        var sentAt = time.GetTimestamp() - (10 * time.TimestampFrequency);
        var wasCompleted = false;
        while (!stream.IsOver)
        {
            if (FindEnd(presented.Token) is { } end)
            {
                await SendAsync(stream, end.ToLowerInvariant(), polls.ViewPass(presented.Text, presented.Token, end));
                return;
            }
            if (presented.Token.Kind == QueueTokenKind.Waiting && time.GetElapsedTime(sentAt) >= MinInterval)
            {
                var view = polls.ViewWaiting(presented.Text, presented.Token);
                if (view is null)
                {
                    // Whatever Queue answers, the next claim waits for the interval.
                    sentAt = time.GetTimestamp();
                    var (claimed, ended) = await ClaimAsync(presented, stream.Aborted);
                    // Only the revocation shows whether the customer left. It arrives before a second claim.
                    if (ended is not null && (ended != Completed || wasCompleted))
                    {
                        await SendAsync(stream, ended.ToLowerInvariant(), polls.ViewPass(presented.Text, presented.Token, ended));
                        return;
                    }
                    wasCompleted = ended is not null;
                    view = claimed;
                    if (claimed is { Status: "Active" } && (await check.ReadAsync(claimed.Token)).Token is { } token)
                    {
                        presented = presented with { Text = claimed.Token, Token = token };
                        await SendAsync(stream, "active", claimed);
                        continue;
                    }
                }
                if (view is { Status: "Waiting" } && view.Position != sentPosition)
                {
                    sentPosition = view.Position;
                    sentAt = time.GetTimestamp();
                    await SendAsync(stream, "position", view);
                }
            }
            await stream.NextTick;
            await stream.KeepAliveAsync();
        }
    }

    private string? FindEnd(VerifiedToken token) =>
        rooms.HasLeft(token.TokenId) ? Left
        : rooms.IsRevoked(token.TokenId) ? Completed
        : check.IsOver(token.BookUntil) ? Expired
        : null;

    /// <summary>Forwards the poll to Queue. Returns its answer, or how the token ended, or neither if Queue cannot answer now.</summary>
    private async Task<(QueueTokenView? View, string? Ended)> ClaimAsync(PresentedToken presented, CancellationToken cancellationToken)
    {
        await _claims.WaitAsync(cancellationToken);
        try
        {
            using var response = await upstream.GetAsync("queue", "/api/queue/tokens/current", ClaimTimeout, cancellationToken,
                (Caller.UserIdHeader, presented.UserId), (Caller.QueueTokenIdHeader, presented.Token.TokenId.ToString()),
                (Caller.QueueConcertIdHeader, presented.Token.ConcertId.ToString(CultureInfo.InvariantCulture)));
            var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            if (response.IsSuccessStatusCode)
                return (JsonSerializer.Deserialize(body, QueueJson.Default.QueueTokenView), null);
            // Queue does not know a token whose entry was erased.
            if ((int)response.StatusCode is not (StatusCodes.Status410Gone or StatusCodes.Status401Unauthorized))
                return default;
            using var problem = JsonDocument.Parse(body);
            return problem.RootElement.GetProperty("code").GetString() is var code && code == QueueRefusal.Expired.Code ? (null, Expired)
                : code == QueueRefusal.Revoked.Code || code == RefusalCodes.QueueTokenInvalid ? (null, Completed)
                : default;
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException or KeyNotFoundException
            or InvalidOperationException)
        {
            return default;
        }
        finally
        {
            _claims.Release();
        }
    }

    private static Task SendAsync(EventStream stream, string name, QueueTokenView view) =>
        stream.SendAsync(name, JsonSerializer.SerializeToUtf8Bytes(view, QueueJson.Default.QueueTokenView));
}
