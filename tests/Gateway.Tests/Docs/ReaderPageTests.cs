using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Gateway.Tests.Docs;

/// <summary>Opens the reader page in a real browser, which enforces the page's policy.</summary>
public sealed class ReaderPageTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    // Console messages about a violated policy, a failed request or a script error.
    private static readonly string[] Errors = ["Content Security Policy", "Failed to load", "ERR_", "Uncaught", "Error"];

    [Fact]
    public async Task ReaderPage_InABrowser_ShowsTheApiWithoutPolicyViolations()
    {
        var visit = await Browser.OpenAsync(new Uri(fixture.Gateway.Address, "/docs/"));

        Assert.Contains("<title>ConcertSaga API</title>", visit.Page, StringComparison.Ordinal);
        // The page's script renders the title and an operation from the document.
        Assert.Matches("<h1[^>]*>ConcertSaga", visit.Page);
        Assert.Matches("<h3[^>]*>Requests a reservation", visit.Page);
        Assert.Contains("/api/reservations", visit.Page, StringComparison.Ordinal);
        Assert.DoesNotContain(visit.Console, line => Errors.Any(error => line.Contains(error, StringComparison.Ordinal)));
    }

    /// <summary>Proves that the browser reports policy violations, on which the previous test relies.</summary>
    [Fact]
    public async Task OtherPage_ViolatingItsPolicy_IsReported()
    {
        fixture.Upstream.Answer = context =>
        {
            context.Response.ContentType = "text/html";
            context.Response.Headers.ContentSecurityPolicy = "default-src 'none'";
            return context.Response.WriteAsync("<title>forbidden</title><script>document.title = 'run'</script>");
        };

        var visit = await Browser.OpenAsync(new Uri(fixture.Upstream.Address));

        Assert.Contains("<title>forbidden</title>", visit.Page, StringComparison.Ordinal);
        Assert.Contains(visit.Console, line => line.Contains("Content Security Policy", StringComparison.Ordinal));
    }
}
