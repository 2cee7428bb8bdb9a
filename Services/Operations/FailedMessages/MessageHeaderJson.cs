using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text;
using System.Text.Json;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;

namespace ConcertSaga.Operations.FailedMessages;

/// <summary>Stores the headers of a message as JSON, and restores those that the message had before it failed.</summary>
internal static class MessageHeaderJson
{
    /// <summary>
    /// Counts how often operators have requeued a message. It also tells a further failure apart from a redelivery of the stored one.
    /// </summary>
    public const string RequeueCount = "Requeue-Count";

    private const int MaxDepth = 16;

    // Details of one delivery.
    private static readonly string[] DeliveryPrefixes = ["RabbitMQ-", "x-delivery-count", "x-acquired-count"];

    // What the broker adds when it moves a message to another queue.
    private static readonly string[] MovePrefixes = ["x-death", "x-first-death-", "x-last-death-"];

    // What a failure adds to a message. The last one would claim that the broker has never received the message.
    private static readonly string[] FailurePrefixes =
        [.. MovePrefixes, "MT-Fault-", "MT-Host-", MessageHeaders.Reason, CommandReply.FirstAttempt];

    // They are properties of a message and not headers.
    private static readonly string[] Properties = [MessageHeaders.MessageId, MessageHeaders.CorrelationId, "Content-Type"];

    /// <summary>Writes the headers of a message, ordered by name, without those of its delivery.</summary>
    public static string Write(Headers headers) => Write(headers, DeliveryPrefixes);

    /// <summary>Writes the headers that stay when the broker delivers the message again, or moves it after too many returns.</summary>
    public static string WriteLasting(Headers headers) => Write(headers, [.. DeliveryPrefixes, .. MovePrefixes]);

    /// <summary>Reads the headers as text, for an operator.</summary>
    public static IReadOnlyDictionary<string, string> Show(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.EnumerateObject().ToDictionary(header => header.Name, header => header.Value.ToString());
    }

    /// <summary>Sets the headers and the correlation id of a message as they were before it failed, and counts the requeue.</summary>
    public static void Restore(string json, SendContext context)
    {
        using var document = JsonDocument.Parse(json);
        foreach (var header in document.RootElement.EnumerateObject().Where(header => !Properties.Contains(header.Name)
            && !HasPrefix(header.Name, FailurePrefixes)))
            context.Headers.Set(header.Name, Plain(header.Value), true);
        if (document.RootElement.TryGetProperty(MessageHeaders.CorrelationId, out var correlation)
            && ValueReader.TryRead(correlation.ToString(), out Guid id))
            context.CorrelationId = id;
        var requeues = document.RootElement.TryGetProperty(RequeueCount, out var count)
            && ValueReader.TryRead(count.ToString(), out long number) ? number : 0;
        context.Headers.Set(RequeueCount, requeues + 1, true);
    }

    private static string Write(Headers headers, string[] without)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            foreach (var header in headers.GetAll().Where(header => !HasPrefix(header.Key, without))
                .DistinctBy(header => header.Key).OrderBy(header => header.Key, StringComparer.Ordinal))
            {
                writer.WritePropertyName(header.Key);
                Write(writer, header.Value, 0);
            }
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter writer, object? value, int depth)
    {
        switch (value)
        {
            case null: writer.WriteNullValue(); break;
            case bool flag: writer.WriteBooleanValue(flag); break;
            case IConvertible whole when value is sbyte or byte or short or ushort or int or uint or long:
                writer.WriteNumberValue(whole.ToInt64(CultureInfo.InvariantCulture)); break;
            case double number when double.IsFinite(number): writer.WriteNumberValue(number); break;
            case string text: writer.WriteStringValue(text); break;
            case byte[] bytes: writer.WriteStringValue(Encoding.UTF8.GetString(bytes)); break;
            case IDictionary table when depth < MaxDepth:
                writer.WriteStartObject();
                foreach (DictionaryEntry entry in table)
                {
                    writer.WritePropertyName(entry.Key.ToString()!);
                    Write(writer, entry.Value, depth + 1);
                }
                writer.WriteEndObject();
                break;
            case IEnumerable list when depth < MaxDepth:
                writer.WriteStartArray();
                foreach (var item in list)
                    Write(writer, item, depth + 1);
                writer.WriteEndArray();
                break;
            default: writer.WriteStringValue(Convert.ToString(value, CultureInfo.InvariantCulture)); break;
        }
    }

    private static bool HasPrefix(string name, string[] prefixes) =>
        Array.Exists(prefixes, prefix => name.StartsWith(prefix, StringComparison.Ordinal));

    private static object? Plain(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True or JsonValueKind.False => value.GetBoolean(),
        JsonValueKind.Number => value.TryGetInt64(out var whole) ? whole : value.GetDouble(),
        JsonValueKind.Array => value.EnumerateArray().Select(Plain).ToList(),
        JsonValueKind.Object => value.EnumerateObject().DistinctBy(member => member.Name)
            .ToDictionary(member => member.Name, member => Plain(member.Value)),
        _ => value.GetString()
    };
}
