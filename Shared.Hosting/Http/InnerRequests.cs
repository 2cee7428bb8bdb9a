using System.Net;
using System.Net.Http.Json;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>Calls another service, behind the inner wall.</summary>
public static class InnerRequests
{
    /// <summary>Reads a JSON answer; null if the other service answers 404. Any other failure throws.</summary>
    /// <param name="http">The client.</param>
    /// <param name="address">The address of the other service.</param>
    /// <param name="path">The path and query.</param>
    /// <param name="secret">The gateway's secret.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    public static async Task<T?> GetInnerAsync<T>(
        this HttpClient http, Uri address, string path, string secret, CancellationToken cancellationToken)
        where T : class
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, path));
        return await http.SendInnerAsync<T>(request, secret, cancellationToken);
    }

    /// <summary>Sends a JSON body and reads a JSON answer; null if the other service answers 404. Any other failure throws.</summary>
    /// <param name="http">The client.</param>
    /// <param name="address">The address of the other service.</param>
    /// <param name="path">The path and query.</param>
    /// <param name="body">The body.</param>
    /// <param name="secret">The gateway's secret.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    public static async Task<T?> PostInnerAsync<T>(
        this HttpClient http, Uri address, string path, object body, string secret, CancellationToken cancellationToken)
        where T : class
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, path));
        request.Content = JsonContent.Create(body, body.GetType());
        return await http.SendInnerAsync<T>(request, secret, cancellationToken);
    }

    private static async Task<T?> SendInnerAsync<T>(
        this HttpClient http, HttpRequestMessage request, string secret, CancellationToken cancellationToken)
        where T : class
    {
        request.Headers.Add(InnerWall.SecretHeader, secret);
        using var response = await http.SendAsync(request, cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
            return null;
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadFromJsonAsync<T>(cancellationToken);
    }
}
