using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Gateway.Tests;

/// <summary>The reader page in a real browser, which takes the page's policy at its word.</summary>
public sealed class ReaderPageTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    // What the console says of something that was forbidden, could not be loaded, or failed.
    private static readonly string[] Complaints = ["Content Security Policy", "Failed to load", "ERR_", "Uncaught", "Error"];

    [Fact]
    public async Task ReaderPage_InABrowser_ShowsTheApiAndBreaksNoPolicy()
    {
        var browsed = await Browser.OpenAsync(new Uri(fixture.Gateway.Address, "/docs/"));

        Assert.Contains("<title>ConcertSaga API</title>", browsed.Page, StringComparison.Ordinal);
        // Written by the page's script from the document: the title, and an operation.
        Assert.Matches("<h1[^>]*>ConcertSaga", browsed.Page);
        Assert.Matches("<h3[^>]*>Requests a reservation", browsed.Page);
        Assert.Contains("/api/reservations", browsed.Page, StringComparison.Ordinal);
        Assert.DoesNotContain(browsed.Console, line => Complaints.Any(complaint => line.Contains(complaint, StringComparison.Ordinal)));
    }

    /// <summary>The browser tells what breaks a policy; otherwise the test above would prove nothing.</summary>
    [Fact]
    public async Task PageOfAnother_BreakingItsPolicy_IsTold()
    {
        fixture.Upstream.Answer = context =>
        {
            context.Response.ContentType = "text/html";
            context.Response.Headers.ContentSecurityPolicy = "default-src 'none'";
            return context.Response.WriteAsync("<title>forbidden</title><script>document.title = 'run'</script>");
        };

        var browsed = await Browser.OpenAsync(new Uri(fixture.Upstream.Address));

        Assert.Contains("<title>forbidden</title>", browsed.Page, StringComparison.Ordinal);
        Assert.Contains(browsed.Console, line => line.Contains("Content Security Policy", StringComparison.Ordinal));
    }
}
