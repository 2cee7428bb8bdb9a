using System.Net.Http.Json;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>Why another service refused a request.</summary>
/// <param name="Code">The stable code.</param>
/// <param name="Detail">What happened and what to do.</param>
/// <param name="Errors">The invalid members of the request.</param>
public sealed record ReceivedProblem(string? Code, string? Detail, Dictionary<string, string[]>? Errors)
{
    /// <summary>Reads the problem of a response; null if it describes none.</summary>
    public static async Task<ReceivedProblem?> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken) =>
        response.Content.Headers.ContentType?.MediaType == "application/problem+json"
            ? await response.Content.ReadFromJsonAsync<ReceivedProblem>(cancellationToken) : null;
}
