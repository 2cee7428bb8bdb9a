using System.Security.Cryptography;
using System.Text.Json;
using ConcertSaga.Operations.Data;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;

namespace ConcertSaga.Operations.FailedMessages;

/// <summary>
/// Describes a message from a failure queue. It accepts everything, because a message that it refused would block its queue: bodies that
/// are not JSON, unknown types, and messages of other programs.
/// </summary>
internal static class FailedMessageReader
{
    private const int MaxIdLength = 255;

    public static FailedMessage Read(FailureQueue queue, ReceiveContext context, DateTimeOffset now)
    {
        var body = context.Body.GetBytes();
        return new FailedMessage
        {
            Queue = queue.Queue,
            Kind = queue.Kind,
            MessageId = Clean(TextOf(context, MessageHeaders.MessageId), MaxIdLength) ?? "",
            MessageType = Clean(TypeOf(body), OperationsDbContext.MaxTypeLength),
            ExceptionType = Clean(TextOf(context, MessageHeaders.FaultExceptionType), OperationsDbContext.MaxTypeLength),
            ExceptionMessage = Clean(TextOf(context, MessageHeaders.FaultMessage), OperationsDbContext.MaxExceptionLength),
            Fingerprint = FingerprintOf(MessageHeaderJson.WriteLasting(context.TransportHeaders), body),
            ReceivedAt = now,
            Size = body.Length,
            ContentType = Clean(ContentTypeOf(context), MaxIdLength),
            Headers = MessageHeaderJson.Write(context.TransportHeaders),
            Body = body
        };
    }

    private static string? TextOf(ReceiveContext context, string header) =>
        context.TransportHeaders.TryGetHeader(header, out var value) ? value?.ToString() : null;

    private static string? ContentTypeOf(ReceiveContext context)
    {
        try
        {
            return context.ContentType?.ToString();
        }
        catch (FormatException)
        {
            return null;
        }
    }

    // Databases and terminals cannot take every character.
    private static string? Clean(string? text, int maxLength)
    {
        if (string.IsNullOrWhiteSpace(text))
            return null;
        var shown = Printable.Of(Cut(text, maxLength).ReplaceLineEndings(" "));
        return Cut(shown, maxLength);
    }

    private static string Cut(string text, int maxLength) => text.Length <= maxLength ? text
        : text[..(char.IsHighSurrogate(text[maxLength - 1]) ? maxLength - 1 : maxLength)];

    // MassTransit's envelope lists the types as urn:message:Namespace:Name, the most specific one first.
    private static string? TypeOf(byte[] body)
    {
        const string prefix = "urn:message:";
        return FirstType(body) is { } urn && urn.StartsWith(prefix, StringComparison.Ordinal)
            ? urn[prefix.Length..].Replace(':', '.') : null;
    }

    private static string? FirstType(byte[] body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isType = reader.ValueTextEquals("messageType"u8);
                reader.Read();
                if (isType && reader.TokenType == JsonTokenType.StartArray && reader.Read() && reader.TokenType == JsonTokenType.String)
                    return reader.GetString();
                reader.Skip();
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The body is not an envelope.
        }
        return null;
    }

    private static string FingerprintOf(string headers, byte[] body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(System.Text.Encoding.UTF8.GetBytes(headers));
        hash.AppendData(body);
        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
