using System.Text.Json;

namespace ConcertSaga.Benchmarks.Queues;

/// <summary>The parts of the gateway's answer to an entry or a poll that the simulation needs.</summary>
internal readonly ref struct QueuePlace
{
    public ReadOnlySpan<byte> Token { get; private init; }

    public bool IsActive { get; private init; }

    public int Position { get; private init; }

    public int PollAfter { get; private init; }

    public static QueuePlace Read(ReadOnlySpan<byte> body)
    {
        ReadOnlySpan<byte> token = default;
        var isActive = false;
        var position = 0;
        var pollAfter = 0;
        var json = new Utf8JsonReader(body);
        while (json.Read())
        {
            if (json.TokenType != JsonTokenType.PropertyName)
                continue;
            if (json.ValueTextEquals("token"u8) && json.Read())
                token = json.ValueSpan;
            else if (json.ValueTextEquals("status"u8) && json.Read())
                isActive = json.ValueTextEquals("Active"u8);
            else if (json.ValueTextEquals("position"u8) && json.Read())
                position = json.GetInt32();
            else if (json.ValueTextEquals("pollAfterSeconds"u8) && json.Read())
                pollAfter = json.GetInt32();
        }
        return new QueuePlace { Token = token, IsActive = isActive, Position = position, PollAfter = pollAfter };
    }
}
