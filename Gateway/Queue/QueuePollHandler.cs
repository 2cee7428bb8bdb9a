using System.Buffers;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using Microsoft.AspNetCore.Http.Features;

namespace ConcertSaga.Gateway.Queue;

/// <summary>
/// Answers <c>GET /api/queue/tokens/current</c> with the caller's place, from memory. It forwards the request to Queue only when it is the
/// caller's turn.
/// </summary>
internal sealed class QueuePollHandler(RoomDirectory rooms, QueueTokenCheck check, TimeProvider time)
{
    /// <summary>The name of this handler in a route's metadata <c>AnsweredBy</c>.</summary>
    public const string Name = "QueuePolls";

    // One per thread, because the thread serializes an answer without interruption.
    [ThreadStatic]
    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Writer)? _json;

    public Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var presented = context.Features.GetRequiredFeature<PresentedToken>();
        // Old state suffices, because a position only decreases. Queue answers for unknown waiting rooms.
        if (presented.Token.Kind == QueueTokenKind.Waiting)
            return ViewWaiting(presented.Text, presented.Token) is { } waiting ? WriteAsync(context, waiting) : next(context);
        return RefusePass(presented.Token) is { } refusal ? refusal.AnswerAsync(context)
            : WriteAsync(context, ViewPass(presented.Text, presented.Token));
    }

    /// <summary>The view of a waiting token; null if it is the customer's turn.</summary>
    public QueueTokenView? ViewWaiting(string text, VerifiedToken token) =>
        rooms.Find(token.ConcertId) is { } concert && token.Number > concert.Serving
            ? QueueTokenView.Waiting(text, token.TokenId, token.Number, token.ExpiresAt, concert, rooms.PollBudget, time.GetUtcNow(),
                (Random.Shared.NextDouble() * 2) - 1)
            : null;

    /// <summary>The view of a pass, or of a token that has ended.</summary>
    public QueueTokenView ViewPass(string text, VerifiedToken token, string status = "Active") =>
        QueueTokenView.Active(text, token.TokenId, token.ConcertId, token.BookUntil, rooms.Find(token.ConcertId)?.Admission
            ?? QueueAdmission.Open, status);

    /// <summary>Why the gateway does not show a pass as active; null if it does.</summary>
    public QueueRefusal? RefusePass(VerifiedToken token) =>
        check.IsOver(token.BookUntil) ? QueueRefusal.Expired
        : !rooms.CanCheckPass(token.ConcertId) ? QueueRefusal.Unavailable
        : null;

    /// <summary>Writes an answer with its length, so that the server sends it in one piece.</summary>
    public static async Task WriteAsync(HttpContext context, QueueTokenView view)
    {
        var (buffer, writer) = _json ??= NewJson();
        buffer.ResetWrittenCount();
        writer.Reset();
        JsonSerializer.Serialize(writer, view, QueueJson.Default.QueueTokenView);
        var response = context.Response;
        response.Headers.CacheControl = "no-store";
        response.ContentType = "application/json; charset=utf-8";
        response.ContentLength = buffer.WrittenCount;
        // The writer copies the bytes on this thread, before the first await.
        await response.BodyWriter.WriteAsync(buffer.WrittenMemory, CancellationToken.None);
    }

    private static (ArrayBufferWriter<byte>, Utf8JsonWriter) NewJson()
    {
        var buffer = new ArrayBufferWriter<byte>(2048);
        return (buffer, new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true }));
    }
}
