using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Console;

/// <summary>The erasure of a customer, from the search to the records of all services.</summary>
[Collection(ConsoleCollection.Name)]
public sealed class CustomerTests(Browser browser, ConsoleSite site)
{
    [Fact]
    public async Task Customer_WithAnUnfinishedReservation_IsErasedAfterItsCancellation()
    {
        await site.ReserveAsync("jisoo", 1, [30], pays: false);
        await using var console = await ConsoleWindow.SignInAsync(browser, site, path: "/ops/customers");
        await console.Page.Locator("#f-userId").FillAsync("jisoo");
        await console.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(console.Page.Locator("#customer")).ToContainTextAsync("These reservations have not ended.");
        await Assertions.Expect(console.Page.Locator("#typed")).ToBeHiddenAsync();
        await console.CheckAsync("customer-unfinished");

        await console.Page.Locator("#customer .alert a").ClickAsync();
        await console.SubmitAsync("Cancel and compensate", "cancel-reason", "The customer leaves.");
        await Assertions.Expect(console.Page.Locator("#reservation .summary")).ToContainTextAsync("Cancelled");
        await console.Page.Locator("#reservation .summary").GetByText("jisoo").ClickAsync();

        await console.Page.Locator("#typed").FillAsync("jisu");
        await console.SubmitAsync("Erase the customer", "erase-reason", "A letter of May 3.");
        await Assertions.Expect(console.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("The user id is not jisoo.");
        await console.CheckAsync("customer-mistyped");
        await console.Page.Locator("#typed").FillAsync("jisoo");
        await console.Page.Locator("#erase-reason").FocusAsync();
        await console.Page.Keyboard.PressAsync("Enter");

        await Assertions.Expect(console.Page.Locator("#operation")).ToContainTextAsync("7 of 7 done");
        await console.CheckAsync("customer-erased");
        await console.Page.Locator("#results a").First.ClickAsync();
        await Assertions.Expect(console.Page.Locator("tr:target")).ToContainTextAsync("A letter of May 3.");
        await console.CheckAsync("audit-of-erasure");
        await console.Page.GotoAsync("/ops/customers?userId=jisoo");
        await Assertions.Expect(console.Page.Locator("#customer")).ToContainTextAsync("No reservation has this user id.");
    }

    [Fact]
    public async Task Customer_WithoutScriptsInKorean_IsErased()
    {
        await site.CallAsync("bora", HttpMethod.Post, "/api/points/charges", new { amount = 5 });
        await using var console =
            await ConsoleWindow.SignInAsync(browser, site, "ko-KR", path: "/ops/customers?userId=bora", hasScripts: false);
        await console.Page.Locator("#typed").FillAsync("bora");
        await console.SubmitAsync("고객 정보 삭제", "erase-reason", "고객 요청");

        await Assertions.Expect(console.Page.Locator("#operation")).ToContainTextAsync("고객 정보 삭제");
        console.CheckComplaints();
        var operation = new Uri(console.Page.Url).AbsolutePath["/ops/operations/".Length..];
        await Testing.Eventually.TrueAsync(async () => (await site.CallAsync("olga", HttpMethod.Get, $"/ops/api/operations/{operation}",
            roles: "ops")).GetProperty("succeeded").GetInt32() == 7, TimeSpan.FromSeconds(60), "all services have erased the customer");
    }
}
