using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Seats;

namespace ConcertSaga.Gateway;

/// <summary>What the gateway itself reads and writes as JSON.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(QueueSnapshot))]
[JsonSerializable(typeof(QueueTokenView))]
[JsonSerializable(typeof(ScheduleConcert))]
[JsonSerializable(typeof(SeatMapChange))]
internal sealed partial class GatewayJson : JsonSerializerContext;

/// <summary>Which concert a date belongs to, as Seats answers it.</summary>
internal sealed record ScheduleConcert(int ScheduleId, int ConcertId);

/// <summary>The data of a <c>changed</c> event of a live seat map.</summary>
/// <param name="Version">The seat map's version after the change.</param>
/// <param name="Seats">The seats that changed, with what they are now.</param>
internal sealed record SeatMapChange(long Version, SeatChange[] Seats);
