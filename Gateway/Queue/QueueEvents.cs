using System.Globalization;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Gateway.Events;
using ConcertSaga.Gateway.Proxy;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// <c>GET /api/queue/tokens/current/events</c>: the place whenever it changes, then the pass, then its end. It follows what polls say, from
/// the same memory, and fetches the pass from Queue when it is the caller's turn.
/// </summary>
internal sealed class QueueEvents(WaitingRoom room, QueuePass pass, QueuePolls polls, EventStreams streams, InnerClient inner, TimeProvider time)
    : IDisposable
{
    private static readonly TimeSpan LeastBetween = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ClaimTimeout = TimeSpan.FromSeconds(5);

    // When many are let in at once, Queue is asked by so many at a time.
    private readonly SemaphoreSlim _claims = new(64);

    public void Dispose() => _claims.Dispose();

    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var shown = context.Features.GetRequiredFeature<ShownToken>();
        if (shown.Token.Kind == QueueTokenKind.Pass && polls.RefuseShown(shown.Token) is { } refusal)
        {
            await refusal.AnswerAsync(context);
            return;
        }
        using var stream = await streams.OpenAsync(context, shown.UserId);
        if (stream is not null)
            await FollowAsync(stream, shown);
    }

    private async Task FollowAsync(EventStream stream, ShownToken shown)
    {
        if (shown.Token.Kind == QueueTokenKind.Pass)
            await SendAsync(stream, "active", polls.Active(shown.Text, shown.Token));
        var said = (Position: 0L, At: time.GetTimestamp() - (10 * time.TimestampFrequency));
        while (!stream.IsOver)
        {
            if (Ending(shown.Token) is { } ending)
            {
                await SendAsync(stream, ending.Event, polls.Active(shown.Text, shown.Token, ending.Status));
                return;
            }
            if (shown.Token.Kind == QueueTokenKind.Waiting && time.GetElapsedTime(said.At) >= LeastBetween)
            {
                var place = polls.Waiting(shown.Text, shown.Token);
                if (place is null)
                {
                    // Asked again only after the same pause, whatever Queue says.
                    said.At = time.GetTimestamp();
                    var (claimed, ended) = await ClaimAsync(shown, stream.Aborted);
                    if (ended is not null)
                    {
                        await SendAsync(stream, ended.ToLowerInvariant(), polls.Active(shown.Text, shown.Token, ended));
                        return;
                    }
                    place = claimed;
                    if (claimed is { Status: "Active" } && (await pass.ReadAsync(claimed.Token)).Token is { } token)
                    {
                        shown = new ShownToken(claimed.Token, token, shown.UserId);
                        await SendAsync(stream, "active", claimed);
                        continue;
                    }
                }
                if (place is { Status: "Waiting" } && place.Position != said.Position)
                {
                    said = (place.Position, time.GetTimestamp());
                    await SendAsync(stream, "position", place);
                }
            }
            await stream.NextTick;
            await stream.CountQuietAsync();
        }
    }

    private (string Event, string Status)? Ending(QueueToken token) =>
        room.IsRevoked(token.TokenId) ? ("completed", "Completed")
        : pass.IsOver(token.BookUntil) ? ("expired", "Expired")
        : null;

    /// <summary>The caller's poll, as Queue answers it; or what became of the token; or neither, when Queue cannot say now.</summary>
    private async Task<(QueueTokenView? View, string? Ended)> ClaimAsync(ShownToken shown, CancellationToken cancellationToken)
    {
        await _claims.WaitAsync(cancellationToken);
        try
        {
            using var response = await inner.GetAsync("queue", "/api/queue/tokens/current", ClaimTimeout, cancellationToken,
                (Caller.UserIdHeader, shown.UserId), (Caller.QueueTokenIdHeader, shown.Token.TokenId.ToString()),
                (Caller.QueueConcertIdHeader, shown.Token.ConcertId.ToString(CultureInfo.InvariantCulture)));
            var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            if (response.IsSuccessStatusCode)
                return (JsonSerializer.Deserialize(body, GatewayJson.Default.QueueTokenView), null);
            if ((int)response.StatusCode != StatusCodes.Status410Gone)
                return default;
            using var problem = JsonDocument.Parse(body);
            return (null, problem.RootElement.GetProperty("code").GetString() == QueueRefusal.Revoked.Code ? "Completed" : "Expired");
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return default;
        }
        finally
        {
            _claims.Release();
        }
    }

    private static Task SendAsync(EventStream stream, string name, QueueTokenView view) =>
        stream.SendAsync(name, JsonSerializer.SerializeToUtf8Bytes(view, GatewayJson.Default.QueueTokenView));
}
