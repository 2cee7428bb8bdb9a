using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;

namespace ConcertSaga.EndToEnd.Tests.Client;

/// <summary>A response of the API.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">The JSON body; undefined if there is none.</param>
/// <param name="Headers">The headers.</param>
public sealed record Answer(int Status, JsonElement Body, HttpResponseHeaders Headers)
{
    /// <summary>The code of a problem.</summary>
    public string? Code => Text("code");

    /// <summary>The reservation of the response.</summary>
    public Guid ReservationId => Body.GetProperty("reservationId").GetGuid();

    /// <summary>The reservation's status, in a reservation or in a problem about one.</summary>
    public string? ReservationStatus => Status < 300 ? Text("status") : Text("reservationStatus");

    /// <summary>Whether the request has succeeded with a known outcome.</summary>
    public bool IsDone => Status is 200 or 201;

    /// <summary>A member of the body.</summary>
    public string? Text(string name) =>
        Body.ValueKind == JsonValueKind.Object && Body.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() : null;

    /// <summary>A number of the body.</summary>
    public long Number(string name) => Body.GetProperty(name).GetInt64();

    /// <summary>Whether a request failed without an answer, as it may while the system is broken.</summary>
    public static bool IsMissing(Exception exception) =>
        exception is HttpRequestException or TaskCanceledException or IOException or SocketException or TimeoutException;

    /// <inheritdoc />
    public override string ToString() => $"{Status} {(Body.ValueKind == JsonValueKind.Undefined ? "" : Body.GetRawText())}";
}
