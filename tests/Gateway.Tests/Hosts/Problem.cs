using System.Text.Json;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>Asserts the problem details of a refusal.</summary>
public static class Problem
{
    /// <summary>Asserts that an answer is a problem with this status, this code and all required members.</summary>
    public static async Task<JsonElement> IsAsync(HttpResponseMessage response, int status, string code)
    {
        Assert.True(status == (int)response.StatusCode,
            $"{(int)response.StatusCode} instead of {status}: {await response.Content.ReadAsStringAsync()}");
        var problem = await OfAsync(response);
        Assert.Equal(code, problem.GetProperty("code").GetString());
        return problem;
    }

    /// <summary>Asserts that an answer is a problem whose members match its status.</summary>
    public static async Task<JsonElement> OfAsync(HttpResponseMessage response)
    {
        var (status, body) = ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
        Assert.True(response.Content.Headers.ContentType?.MediaType == "application/problem+json",
            $"{status} {response.Content.Headers.ContentType}: {body}");
        var problem = JsonDocument.Parse(body).RootElement;
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.False(string.IsNullOrWhiteSpace(problem.GetProperty("code").GetString()));
        Assert.Equal(status is 429 or 503, response.Headers.RetryAfter is not null);
        foreach (var member in new[] { "type", "title", "detail", "traceId" })
            Assert.False(string.IsNullOrWhiteSpace(problem.GetProperty(member).GetString()), member);
        HasSecurityHeaders(response);
        return problem;
    }

    public static void HasSecurityHeaders(HttpResponseMessage response)
    {
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("DENY", response.Headers.GetValues("X-Frame-Options").Single());
        Assert.Equal("no-referrer", response.Headers.GetValues("Referrer-Policy").Single());
        Assert.Contains("frame-ancestors 'none'", response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.False(response.Headers.Contains("Server"));
    }
}
