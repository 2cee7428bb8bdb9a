using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Console;

/// <summary>Lists: filter, selection, live refresh, keys, and the confirmation of many changes.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class ListTests(Browser browser, ConsoleSite site, Story story)
{
    [Fact]
    public async Task Filter_Chosen_LivesInTheAddress()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/reservations");
        await console.Page.Locator("#f-state").SelectOptionAsync("Confirmed");
        await console.Page.Locator("#f-scheduleId").FillAsync("1");
        await console.Page.GetByRole(AriaRole.Button, new() { Name = "Filter", Exact = true }).ClickAsync();

        await Assertions.Expect(console.Page.Locator("#rows tbody tr")).ToHaveCountAsync(6);
        Assert.Contains("state=Confirmed", console.Page.Url, StringComparison.Ordinal);
        await Assertions.Expect(console.Page.Locator("#f-state")).ToHaveValueAsync("Confirmed");
        var csv = await console.Page.RunAndWaitForDownloadAsync(() => console.Page.GetByText("All rows as CSV").ClickAsync());
        Assert.Equal(7, (await File.ReadAllLinesAsync(await csv.PathAsync())).Length);
        console.CheckComplaints();
    }

    [Fact]
    public async Task Rows_Selected_StayWhereTheyAre()
    {
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/reservations?scheduleId=2");
        var rows = console.Page.Locator("#rows tbody tr");
        var first = await site.ReserveAsync("nari", 2, [1], pays: false);
        await Assertions.Expect(rows).ToHaveCountAsync(1);
        await console.Page.Locator("#rows tbody input").CheckAsync();

        await site.ReserveAsync("sora", 2, [2], pays: false);
        await Assertions.Expect(console.Page.Locator("#changed")).ToBeVisibleAsync();
        await Assertions.Expect(rows).ToHaveCountAsync(1);
        Assert.Equal($"{first}", await rows.First.GetAttributeAsync("data-key"));
        Assert.True(await console.Page.Locator("#rows tbody input").IsCheckedAsync());

        await console.Page.Locator("#show-changes").ClickAsync();
        await Assertions.Expect(rows).ToHaveCountAsync(2);
        console.CheckComplaints();
    }

    [Fact]
    public async Task Console_ByKeyboardAlone_OpensAndRetriesAReservation()
    {
        var id = await story.WaitAsync("junho", 47);
        await using var console = await ConsoleWindow.SignInAsync(browser, site);
        var keys = console.Page.Keyboard;
        // The script shows this button when it listens to keys.
        await Assertions.Expect(console.Page.Locator("#help-button")).ToBeVisibleAsync();
        await keys.PressAsync("?");
        await Assertions.Expect(console.Page.Locator("#help")).ToBeVisibleAsync();
        await keys.PressAsync("Escape");
        await Assertions.Expect(console.Page.Locator("#help")).ToBeHiddenAsync();
        await keys.PressAsync("g");
        await keys.PressAsync("r");
        await console.Page.IsAtAsync("/ops/reservations$");
        await Assertions.Expect(console.Page.Locator("#help-button")).ToBeVisibleAsync();
        await keys.PressAsync("/");
        await keys.PressAsync("Tab");
        await keys.PressAsync("Tab");
        await keys.TypeAsync("junho");
        await keys.PressAsync("Enter");
        await console.Page.IsAtAsync("userId=junho");
        await Assertions.Expect(console.Page.Locator("#help-button")).ToBeVisibleAsync();
        await keys.PressAsync("j");
        await keys.PressAsync("x");
        await Assertions.Expect(console.Page.Locator("#selected")).ToHaveTextAsync("1 selected");
        await keys.PressAsync("Enter");
        await console.Page.IsAtAsync($"/ops/reservations/{id}$");
        await console.Page.Locator("#retry-reason").FocusAsync();
        await keys.TypeAsync("By keyboard.");
        await keys.PressAsync("Enter");

        await Assertions.Expect(console.Page.Locator(".timeline")).ToContainTextAsync("By keyboard.");
        console.CheckComplaints();
    }

    [Fact]
    public async Task Change_OfMoreThan100Rows_NeedsTheNumberTyped()
    {
        for (var i = 1000; i < 1101; i++)
            await story.FailAsync(i, "seats-release");
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/failed-messages?queue=seats-release");
        await console.Page.Locator("#b-kind").SelectOptionAsync("failed-messages/discard");
        await console.Page.Locator("#b-scope").SelectOptionAsync("filter");
        await console.Page.GetByRole(AriaRole.Button, new() { Name = "Check …" }).ClickAsync();
        await Assertions.Expect(console.Page.Locator(".count")).ToContainTextAsync("101 will be changed");
        await console.CheckAsync("change-many");

        await console.Page.Locator("#typed").EvaluateAsync("field => { field.removeAttribute('pattern'); }");
        await console.Page.Locator("#typed").FillAsync("100");
        await console.SubmitAsync("Start", "change-reason", "Of a test.");
        await Assertions.Expect(console.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("The number is not 101.");

        await console.Page.Locator("#typed").FillAsync("101");
        await console.Page.GetByRole(AriaRole.Button, new() { Name = "Start", Exact = true }).ClickAsync();
        await Assertions.Expect(console.Page.Locator("#operation")).ToContainTextAsync("101 of 101 done");
        console.CheckComplaints();
    }

    [Fact]
    public async Task Console_WithoutScripts_StillChangesThings()
    {
        var id = await story.WaitAsync("sejin", 48);
        await using var window = await browser.OpenAsync(site.Address, hasScripts: false);
        var page = await window.NewPageAsync();
        await page.GotoAsync($"/ops/reservations/{id}");
        await page.Locator("#userId").FillAsync("olga");
        await page.Locator("#ops").CheckAsync();
        await page.Locator("button[type=submit]").ClickAsync();
        await page.Locator("#retry-reason").FillAsync("Without scripts.");
        await page.GetByRole(AriaRole.Button, new() { Name = "Retry now" }).ClickAsync();

        await Assertions.Expect(page.Locator(".timeline")).ToContainTextAsync("Without scripts.");
    }
}
