using System.Buffers;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using Microsoft.AspNetCore.Http.Features;

namespace ConcertSaga.Gateway.Queue;

/// <summary><c>GET /api/queue/tokens/current</c>: where the caller stands, from memory. Only who has been offered a pass is passed on to Queue.</summary>
internal sealed class QueuePolls(WaitingRoom room, QueuePass pass, TimeProvider time)
{
    // One for each thread, because an answer is written in one go.
    [ThreadStatic]
    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Writer)? _json;

    public Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var shown = context.Features.GetRequiredFeature<ShownToken>();
        // Also with old knowledge: a place only gets better. A waiting room nobody told of is Queue's to answer for.
        if (shown.Token.Kind == QueueTokenKind.Waiting)
            return Waiting(shown.Text, shown.Token) is { } waiting ? WriteAsync(context, waiting) : next(context);
        return RefuseShown(shown.Token) is { } refusal ? refusal.AnswerAsync(context) : WriteAsync(context, Active(shown.Text, shown.Token));
    }

    /// <summary>The place of somebody who waits; null when it is their turn.</summary>
    public QueueTokenView? Waiting(string text, QueueToken token) =>
        room.Find(token.ConcertId) is { } concert && token.Number > concert.Serving
            ? QueueTokenView.Waiting(text, token.TokenId, token.Number, token.ExpiresAt, concert, room.PollBudget, time.GetUtcNow(), (Random.Shared.NextDouble() * 2) - 1)
            : null;

    /// <summary>The view of a pass, or of what became of a token.</summary>
    public QueueTokenView Active(string text, QueueToken token, string status = "Active") =>
        QueueTokenView.Active(text, token.TokenId, token.ConcertId, token.BookUntil, room.Find(token.ConcertId)?.Admission ?? QueueAdmission.Open, status);

    /// <summary>Why a pass is not shown as active.</summary>
    public QueueRefusal? RefuseShown(QueueToken token) =>
        pass.IsOver(token.BookUntil) ? QueueRefusal.Expired
        : !room.CanJudge(token.ConcertId) ? QueueRefusal.Unavailable
        : null;

    /// <summary>Writes an answer whole, with its length: it then goes out in one piece.</summary>
    public static async Task WriteAsync(HttpContext context, QueueTokenView view)
    {
        var (buffer, writer) = _json ??= NewJson();
        buffer.ResetWrittenCount();
        writer.Reset();
        JsonSerializer.Serialize(writer, view, GatewayJson.Default.QueueTokenView);
        var response = context.Response;
        response.Headers.CacheControl = "no-store";
        response.ContentType = "application/json; charset=utf-8";
        response.ContentLength = buffer.WrittenCount;
        // Copied on this thread, before anything is waited for.
        await response.BodyWriter.WriteAsync(buffer.WrittenMemory, CancellationToken.None);
    }

    private static (ArrayBufferWriter<byte>, Utf8JsonWriter) NewJson()
    {
        var buffer = new ArrayBufferWriter<byte>(2048);
        return (buffer, new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true }));
    }
}
