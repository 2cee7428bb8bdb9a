using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Console;

/// <summary>The pages of waiting rooms, schedules, deliveries, failed messages, invariants and the audit.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class OwnerPageTests(Browser browser, ConsoleSite site, Story story)
{
    [Fact]
    public async Task WaitingRoom_Changed_ShowsTheDifferenceFirst()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/waiting-rooms/3");
        await console.Page.Locator("#s-capacity").FillAsync("77");
        await ClickAsync(console, "Review the change");
        await Assertions.Expect(console.Page.Locator(".diff")).ToContainTextAsync("77");
        await console.CheckAsync("waiting-room-diff");

        await console.SubmitAsync("Save", "save-reason", "A larger hall.");
        await Assertions.Expect(console.Page.Locator("#s-capacity")).ToHaveValueAsync("77");
        await console.SubmitAsync("Pause admission", "pause-reason", "The power is out.");
        await Assertions.Expect(console.Page.Locator("#room")).ToContainTextAsync("Paused");
        await console.SubmitAsync("Resume admission", "pause-reason", "The power is back.");
        await Assertions.Expect(console.Page.Locator("#room")).Not.ToContainTextAsync("Paused");

        await console.Page.GotoAsync("/ops/audit?operator=olga&action=Change");
        await Assertions.Expect(console.Page.Locator("#actions")).ToContainTextAsync("A larger hall.");
        await Assertions.Expect(console.Page.Locator("#actions")).ToContainTextAsync("capacity");
        console.CheckComplaints();
    }

    [Fact]
    public async Task WaitingRoom_WithAnInvalidSetting_SaysWhatIsAllowed()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/waiting-rooms/2");
        await console.Page.Locator("#s-capacity").FillAsync("-1");
        await ClickAsync(console, "Review the change");
        await console.SubmitAsync("Save", "save-reason", "A mistake.");

        await Assertions.Expect(console.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("allowed: 1 to");
        await Assertions.Expect(console.Page.Locator("#save-reason")).ToHaveValueAsync("A mistake.");
        await console.CheckAsync("waiting-room-refused");
    }

    [Fact]
    public async Task WaitingRoom_WithCustomers_ShowsTheHourAsAChartAndATable()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/waiting-rooms/1");
        await Assertions.Expect(console.Page.GetByRole(AriaRole.Img, new() { Name = "Last hour:" })).ToBeVisibleAsync();
        await console.Page.GetByText("As a table").ClickAsync();
        var first = console.Page.Locator("#room-minutes tbody td").First;
        await Assertions.Expect(first).ToBeVisibleAsync();
        await console.CheckAsync("waiting-room-table");

        // A refresh keeps it open.
        await console.Page.Locator("h1").ClickAsync();
        var before = await console.Page.Locator(".key.came b").TextContentAsync();
        await site.CallAsync("nabi", HttpMethod.Post, "/api/queue/tokens", new { concertId = 1 });
        await Assertions.Expect(console.Page.Locator(".key.came b")).Not.ToHaveTextAsync(before!);
        await Assertions.Expect(first).ToBeVisibleAsync();
        console.CheckComplaints();
    }

    [Fact]
    public async Task Schedule_MovedThenCancelled_ShowsBoth()
    {
        await site.ReserveAsync("dain", 4, [1], pays: true);
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/schedules/4");
        await console.Page.Locator("#m-startsAt").FillAsync("2031-05-01T19:30");
        await console.SubmitAsync("Move", "move-reason", "The artist is ill.");
        await Assertions.Expect(console.Page.Locator("#map time").First).ToHaveTextAsync("2031-05-01 19:30:00");

        await console.Page.Locator("#typed").FillAsync("4");
        await console.SubmitAsync("Cancel the schedule", "cancel-reason", "The artist is still ill.");
        await Assertions.Expect(console.Page.Locator("#operation")).ToContainTextAsync("Completed");
        await console.VisitAsync("/ops/schedules/4", "schedule-cancelled");
        await Assertions.Expect(console.Page.Locator("#map .summary")).ToContainTextAsync("Cancelled");
    }

    [Fact]
    public async Task Deliveries_PausedAndRedriven_SayWhoDidIt()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/deliveries");
        await console.SubmitAsync("Pause sending", "pause-reason", "The platform moves.");
        await Assertions.Expect(console.Page.Locator("#relay")).ToContainTextAsync("The platform moves.");
        await console.SubmitAsync("Resume sending", "pause-reason", "It has moved.");
        await Assertions.Expect(console.Page.Locator("#relay")).Not.ToContainTextAsync("The platform moves.");

        await console.Page.Locator("#rows tbody a").First.ClickAsync();
        await console.SubmitAsync("Redrive", "redrive-reason", "It was lost there.");
        await Assertions.Expect(console.Page.Locator("main")).ToContainTextAsync("It was lost there.");
        await console.CheckAsync("delivery");
    }

    [Fact]
    public async Task FailedMessage_Discarded_KeepsItsBody()
    {
        await story.FailAsync(500, "payments-cancel");
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/failed-messages?queue=payments-cancel");
        await console.Page.Locator("#rows tbody a").First.ClickAsync();
        await Assertions.Expect(console.Page.Locator("main")).ToContainTextAsync("The database did not answer.");
        await ClickAsync(console, "Discard messages");
        await console.SubmitAsync("Start", "change-reason", "Of another program.");
        await Assertions.Expect(console.Page.Locator("#operation")).ToContainTextAsync("Completed");
        await console.Page.Locator("#results a").First.ClickAsync();

        await Assertions.Expect(console.Page.Locator(".summary")).ToContainTextAsync("Discarded");
        await Assertions.Expect(console.Page.Locator("main")).ToContainTextAsync("Of another program.");
        console.CheckComplaints();
    }

    [Fact]
    public async Task Invariant_Checked_IsRecorded()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/invariants");
        await console.SubmitAsync("Check now", "check-reason", "After the incident.");

        await console.Page.GotoAsync("/ops/audit?action=Check");
        await Assertions.Expect(console.Page.Locator("#actions")).ToContainTextAsync("After the incident.");
        console.CheckComplaints();
    }

    [Fact]
    public async Task Preferences_Chosen_AreKept()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/processes");
        await console.Page.Locator("#pref-language").SelectOptionAsync("ko");
        await console.Page.Locator("#pref-times").SelectOptionAsync("local");
        await ClickAsync(console, "Apply");

        await Assertions.Expect(console.Page.Locator("h1")).ToHaveTextAsync("프로세스");
        Assert.Equal("/ops/processes", new Uri(console.Page.Url).AbsolutePath);
        var time = console.Page.Locator("#processes time").First;
        var utc = DateTimeOffset.Parse((await time.GetAttributeAsync("datetime"))!, System.Globalization.CultureInfo.InvariantCulture);
        await Assertions.Expect(time).ToHaveTextAsync(
            utc.AddHours(9).ToString("yyyy-MM-dd HH:mm:ss", System.Globalization.CultureInfo.InvariantCulture));
        await console.Page.GotoAsync("/ops");
        await Assertions.Expect(console.Page.Locator("h1")).ToHaveTextAsync("개요");
        console.CheckComplaints();
    }

    private static Task ClickAsync(ConsoleWindow console, string button) =>
        console.Page.GetByRole(AriaRole.Button, new() { Name = button, Exact = true }).ClickAsync();
}
