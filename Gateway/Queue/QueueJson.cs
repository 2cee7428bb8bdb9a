using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Seats;

namespace ConcertSaga.Gateway.Queue;

/// <summary>Serializes what the gateway exchanges with Queue, and how it finds the concert of a schedule.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(QueueSnapshot))]
[JsonSerializable(typeof(QueueTokenView))]
[JsonSerializable(typeof(ScheduleConcert))]
internal sealed partial class QueueJson : JsonSerializerContext;
