using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>Two customers who want the same seat.</summary>
public sealed class RaceTests(Site site, Browser browser)
{
    /// <summary>The seat disappears from the choice of the slower customer, whose other seat stays.</summary>
    [Fact]
    public async Task Seat_TakenByAnotherCustomer_LeavesTheChoiceLive()
    {
        await using var slow = await Customer.OpenAsync(site, browser);
        await using var fast = await Customer.OpenAsync(site, browser, "ko");
        await slow.OpenSeatsAsync(2, 31);
        await slow.Page.Locator(".best button").Nth(1).ClickAsync();
        await fast.HoldAsync(2, 31, 1);

        await slow.Page.Locator(".notice").WaitForAsync();
        foreach (var grey in new[] { ".map path.held", ".seat[aria-disabled=true]" })
            await slow.Page.Locator(grey).First.WaitForAsync(new() { State = WaitForSelectorState.Attached });
        Assert.Equal(1, await slow.Page.Locator(".chosen li").CountAsync());
        await slow.LookAsync("5-seats-lost");
        await slow.Button("seats.hold").ClickAsync();
        await slow.Page.Locator(".hold-clock").WaitForAsync();
    }

    /// <summary>Without the live changes, the refusal says which seat is gone.</summary>
    [Fact]
    public async Task Hold_OfATakenSeat_KeepsTheOtherChoice()
    {
        await using var slow = await Customer.OpenAsync(site, browser, "ko");
        await using var fast = await Customer.OpenAsync(site, browser);
        await slow.Page.RouteAsync("**/seats/events", route => route.AbortAsync());
        await slow.OpenSeatsAsync(2, 32);
        await slow.Page.Locator(".best button").Nth(2).ClickAsync();
        await fast.HoldAsync(2, 32, 1);

        await slow.Button("seats.hold").ClickAsync();
        await slow.Page.Locator("[data-code=SEAT_UNAVAILABLE]").WaitForAsync();
        Assert.Equal(2, await slow.Page.Locator(".chosen li").CountAsync());
        await slow.Button("seats.hold").ClickAsync();
        await slow.Page.Locator(".hold-clock").WaitForAsync();
    }

    [Fact]
    public async Task Hold_ByTwoCustomersAtOnce_SucceedsForOne()
    {
        await using var one = await Customer.OpenAsync(site, browser);
        await using var other = await Customer.OpenAsync(site, browser, "ko");
        // A live change would take the seats out of the choice of the slower one before the click.
        foreach (var customer in new[] { one, other })
            await customer.Page.RouteAsync("**/seats/events", route => route.AbortAsync());
        await one.OpenSeatsAsync(2, 33);
        await other.OpenSeatsAsync(2, 33);
        await one.Page.Locator(".best button").Nth(3).ClickAsync();
        await other.Page.Locator(".best button").Nth(3).ClickAsync();

        await Task.WhenAll(one.Button("seats.hold").ClickAsync(), other.Button("seats.hold").ClickAsync());

        var outcomes = await Task.WhenAll(OutcomeAsync(one), OutcomeAsync(other));
        Assert.Equal(["held", "refused"], outcomes.Order());

        static async Task<string> OutcomeAsync(Customer customer)
        {
            await customer.Page.Locator(".hold-clock, [data-code=SEAT_UNAVAILABLE]").First.WaitForAsync();
            return await customer.Page.Locator(".hold-clock").CountAsync() > 0 ? "held" : "refused";
        }
    }
}
