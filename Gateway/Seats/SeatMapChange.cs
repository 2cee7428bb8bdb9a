using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Contracts.Seats;

namespace ConcertSaga.Gateway.Seats;

/// <summary>The data of a <c>changed</c> event of a live seat map.</summary>
/// <param name="Version">The seat map's version after the change.</param>
/// <param name="Seats">The changed seats with their new states.</param>
internal sealed record SeatMapChange(long Version, SeatChange[] Seats);

/// <summary>Serializes the changes of seat maps.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(SeatMapChange))]
internal sealed partial class SeatJson : JsonSerializerContext;
