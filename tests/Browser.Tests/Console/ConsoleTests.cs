using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Console;

/// <summary>The journeys of an operator through the console.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class ConsoleTests(Browser browser, ConsoleSite site, Story story)
{
    // Of the window.
    private const int Desktop = 1360, Phone = 390, Height = 860;

    private static readonly (string Path, string Name)[] Pages =
    [
        ("/ops", "overview"), ("/ops/reservations", "reservations"), ("/ops/customers?userId=fan-1", "customer"),
        ("/ops/waiting-rooms", "waiting-rooms"),
        ("/ops/waiting-rooms/1", "waiting-room"), ("/ops/schedules", "schedules"), ("/ops/schedules/1", "schedule"),
        ("/ops/deliveries", "deliveries"), ("/ops/failed-messages", "failed-messages"), ("/ops/failed-messages/1", "failed-message"),
        ("/ops/operations", "operations"), ("/ops/invariants", "invariants"), ("/ops/audit", "audit"), ("/ops/processes", "processes"),
        ("/ops/preferences", "preferences")
    ];

    [Theory]
    [InlineData("en-GB", ColorScheme.Light, Desktop, Phone)]
    [InlineData("ko-KR", ColorScheme.Dark, Phone, Desktop)]
    public async Task Pages_InBothLanguagesAndSchemes_AreAccessibleAndRefuseNothing(
        string language, ColorScheme scheme, int width, int otherWidth)
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, language, scheme);
        var tag = $"{language[..2]}-{scheme}-{width}".ToLowerInvariant();
        foreach (var (path, name) in Pages.Append(($"/ops/reservations/{story.Confirmed}", "reservation"))
            .Append(($"/ops/reservations/{story.Waiting}", "reservation-waiting")))
            await VisitAsync(path, name, 200);
        await VisitAsync("/ops/reservations/nonsense", "missing", 404);
        Assert.Equal(language[..2], await console.Page.Locator("html").GetAttributeAsync("lang"));

        async Task VisitAsync(string path, string name, int status)
        {
            await console.Page.SetViewportSizeAsync(width, Height);
            await console.VisitAsync(path, $"{name}-{tag}", status);
            await console.CheckWidthAsync();
            await console.Page.SetViewportSizeAsync(otherWidth, Height);
            await console.CheckWidthAsync();
        }
    }

    [Fact]
    public async Task Page_WithoutASession_ReturnsAfterTheSignIn()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/reservations?state=Confirmed");

        Assert.Equal("/ops/reservations?state=Confirmed", new Uri(console.Page.Url).PathAndQuery);
        console.CheckComplaints();
    }

    [Fact]
    public async Task Page_WithoutTheRole_SaysSo()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, isOperator: false);

        Assert.Contains("This page is for operators.", await console.Page.GetByRole(AriaRole.Alert).TextContentAsync());
        Assert.Equal(403, (await console.Page.GotoAsync("/ops/reservations"))!.Status);
    }

    [Fact]
    public async Task Reservation_ThatAwaitsAReply_IsRetriedAndCancelled()
    {
        var id = await story.WaitAsync("haru", 46);
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: $"/ops/reservations/{id}");
        await console.SubmitAsync("Retry now", "retry-reason", "Seats is repaired.");

        await Assertions.Expect(console.Page.Locator(".timeline")).ToContainTextAsync("retried by an operator");
        await Assertions.Expect(console.Page.Locator(".timeline")).ToContainTextAsync("Seats is repaired.");
        await console.SubmitAsync("Cancel and compensate", "cancel-reason", "The customer called.");
        await Assertions.Expect(console.Page.Locator("#reservation .summary")).ToContainTextAsync("Cancelled");
        await Assertions.Expect(console.Page.Locator(".node.current")).ToContainTextAsync("Cancelled");
        await console.CheckAsync("reservation-cancelled");
    }

    [Fact]
    public async Task Reservations_Selected_AreCheckedConfirmedAndChanged()
    {
        // Its hold must not end during the test, which on a slow machine comes minutes after the start of the site.
        await site.ReserveAsync("bora", 1, [33], pays: false);
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/reservations?userId=bora");
        await console.Page.Locator("#rows tbody input").First.CheckAsync();
        await Assertions.Expect(console.Page.Locator("#selected")).ToHaveTextAsync("1 selected");
        await console.Page.Locator("#b-kind").SelectOptionAsync("reservations/cancel");
        await console.Page.GetByRole(AriaRole.Button, new() { Name = "Check …" }).ClickAsync();

        await Assertions.Expect(console.Page.Locator(".count")).ToContainTextAsync("1 will be changed");
        await console.CheckAsync("change");
        await console.SubmitAsync("Start", "change-reason", "Wrong concert.");
        await Assertions.Expect(console.Page.Locator("#operation")).ToContainTextAsync("Completed");
        await Assertions.Expect(console.Page.Locator("#results")).ToContainTextAsync("Changed");
        await console.CheckAsync("operation");

        var address = new Uri(console.Page.Url).AbsolutePath;
        await console.VisitAsync("/ops/operations", "operations-started");
        var row = console.Page.Locator("#operations tbody tr").Filter(new() { HasText = "Wrong concert." });
        await Assertions.Expect(row).ToContainTextAsync("Completed");
        await row.GetByRole(AriaRole.Link).ClickAsync();
        await console.Page.IsAtAsync($"{address}$");
    }
}
