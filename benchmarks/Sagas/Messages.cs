using System.Text.Json.Serialization;

namespace ConcertSaga.Benchmarks.Sagas;

// The seven messages of the measured saga, as large as those of a reservation. All variants use them.

public sealed record StartSaga(Guid SagaId, string UserId, int ScheduleId, int[] SeatNumbers, long Amount)
{
    public static StartSaga Of(Guid sagaId) => new(sagaId, $"user-{sagaId:n}", 17, [7, 8], 300_000);
}

public sealed record Hold(Guid SagaId, string UserId, int ScheduleId, int[] SeatNumbers);

public sealed record Held(Guid SagaId, DateTime HeldUntil);

public sealed record Deduct(Guid SagaId, string UserId, long Amount);

public sealed record Deducted(Guid SagaId, long Balance);

public sealed record Confirm(Guid SagaId, string UserId, long Amount);

public sealed record Confirmed(Guid SagaId, Guid TicketId);

/// <summary>The bare variant's serializer.</summary>
[JsonSerializable(typeof(StartSaga))]
[JsonSerializable(typeof(Hold))]
[JsonSerializable(typeof(Held))]
[JsonSerializable(typeof(Deduct))]
[JsonSerializable(typeof(Deducted))]
[JsonSerializable(typeof(Confirm))]
[JsonSerializable(typeof(Confirmed))]
internal sealed partial class MessageJson : JsonSerializerContext;

/// <summary>The states of a saga; the last is final.</summary>
internal static class SagaStates
{
    public const string Holding = "Holding", Deducting = "Deducting", Confirming = "Confirming", Completed = "Completed";
}
