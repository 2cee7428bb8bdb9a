using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>A customer pays once, whatever happens on the way.</summary>
public sealed class CheckoutTests(Site site, Browser browser)
{
    [Fact]
    public async Task Pay_ClickedTwice_PaysOnce()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.HoldAsync(2, 35, 1);
        await customer.ChargeAsync();
        var payments = 0;
        customer.Page.Request += (_, request) => payments += request.Url.EndsWith("/payment", StringComparison.Ordinal) ? 1 : 0;

        await customer.PayButton.DblClickAsync();

        await CheckPaidOnceAsync(customer);
        Assert.Equal(1, payments);
    }

    [Fact]
    public async Task Charge_SubmittedTwice_ChargesOnce()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.HoldAsync(2, 36, 1);

        await customer.Page.Locator(".charge button").DblClickAsync();

        await customer.Page.Locator(".charge").WaitForAsync(new() { State = WaitForSelectorState.Detached });
        Assert.Single(await EntriesAsync(customer), entry => entry == "Charge");
    }

    /// <summary>The charge arrived, but its answer did not: the repeat has the same key.</summary>
    [Fact]
    public async Task Charge_WithALostAnswer_ChargesOnce()
    {
        await using var customer = await Customer.OpenAsync(site, browser, "ko");
        await LoseFirstAnswerAsync(customer, "**/api/points/charges");
        await customer.HoldAsync(2, 37, 1);

        await customer.Page.Locator(".charge button").ClickAsync();
        await customer.Page.Locator("[data-code=OFFLINE] .button").ClickAsync();

        await customer.Page.Locator(".charge").WaitForAsync(new() { State = WaitForSelectorState.Detached });
        Assert.Single(await EntriesAsync(customer), entry => entry == "Charge");
    }

    [Fact]
    public async Task Pay_WithALostAnswer_FindsThePayment()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await LoseFirstAnswerAsync(customer, "**/payment");
        await customer.HoldAsync(2, 38, 1);
        await customer.ChargeAsync();

        await customer.PayButton.ClickAsync();

        await CheckPaidOnceAsync(customer);
    }

    /// <summary>The hold was granted, but its answer did not arrive: the repeat after a reload is the same request.</summary>
    [Fact]
    public async Task Hold_WithALostAnswer_IsFoundAfterAReload()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await LoseFirstAnswerAsync(customer, "**/api/reservations");
        await customer.OpenSeatsAsync(2, 39);
        await customer.Page.Locator(".best button").Nth(1).ClickAsync();
        await customer.Button("seats.hold").ClickAsync();
        await customer.Page.Locator("[data-code=OFFLINE]").WaitForAsync();

        await customer.Page.ReloadAsync();

        await customer.Page.Locator(".hold-clock").WaitForAsync();
        var list = await customer.CallAsync(HttpMethod.Get, "/api/reservations");
        Assert.Equal(1, list.GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task Checkout_ReloadedAndLeftByBack_GoesOnWhereItWas()
    {
        await using var customer = await Customer.OpenAsync(site, browser, "ko");
        await customer.HoldAsync(2, 40, 2);
        var before = await ReadClockAsync(customer);

        await customer.Page.ReloadAsync();
        await customer.Page.Locator(".hold-clock").WaitForAsync();
        Assert.InRange(before - await ReadClockAsync(customer), -1, 30);

        await customer.ChargeAsync();
        await customer.Page.GoBackAsync();
        await customer.Page.Locator(".map").WaitForAsync();
        await customer.Page.GoForwardAsync();
        await customer.PayButton.ClickAsync();
        await CheckPaidOnceAsync(customer);
        await customer.Page.ReloadAsync();
        await CheckPaidOnceAsync(customer);
    }

    /// <summary>The payment has arrived, and the reservation cannot be read for a moment.</summary>
    [Fact]
    public async Task Payment_WhoseReservationCannotBeRead_ShowsTheTicketLater()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.HoldAsync(2, 48, 1);
        await customer.ChargeAsync();
        var failures = 0;
        await customer.Page.RouteAsync("**/api/reservations/*", async route =>
        {
            if (route.Request.Method == "GET" && ++failures <= 2)
                await route.AbortAsync();
            else
                await route.ContinueAsync();
        });

        await customer.PayButton.ClickAsync();

        await CheckPaidOnceAsync(customer);
        Assert.True(failures > 2);
    }

    /// <summary>The customer no longer waits for the answer to a request of an earlier pass.</summary>
    [Fact]
    public async Task Hold_OfAnEarlierPass_IsNotRepeated()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.OpenSeatsAsync(2, 49);
        await customer.Page.EvaluateAsync(
            "sessionStorage.setItem('hold:49', JSON.stringify({ key: crypto.randomUUID(), seats: [9], pass: crypto.randomUUID() }))");

        await customer.Page.ReloadAsync();

        await customer.Page.Locator(".map").WaitForAsync();
        Assert.True(await customer.Button("seats.hold").IsDisabledAsync());
        Assert.EndsWith("/schedules/49", new Uri(customer.Page.Url).AbsolutePath, StringComparison.Ordinal);
    }

    /// <summary>A customer who still has an unpaid reservation is led to it.</summary>
    [Fact]
    public async Task Hold_BesideAnUnpaidReservation_LeadsToIt()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.HoldAsync(2, 41, 1);
        await customer.Page.GoBackAsync();
        await customer.Page.Locator(".best button").First.ClickAsync();
        await customer.Button("seats.hold").ClickAsync();
        await customer.Page.Locator("[data-code=RESERVATION_IN_PROGRESS] a").ClickAsync();
        await customer.Page.Locator(".hold-clock").WaitForAsync();
    }

    [Fact]
    public async Task Reservation_Cancelled_ReturnsThePoints()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.HoldAsync(2, 42, 2);
        await customer.ChargeAsync();
        await customer.PayButton.ClickAsync();
        await customer.Button("cancel.title").ClickAsync();
        var deadline = customer.Text("cancel.until").Split("{time}")[0];
        Assert.Contains(deadline, await customer.Page.Locator("#dialog-text").InnerTextAsync(), StringComparison.Ordinal);
        await customer.LookAsync("11-cancel");
        await customer.Page.Locator("dialog .primary").ClickAsync();
        await customer.Page.Locator(".ticket.is-cancelled").WaitForAsync();
        await customer.LookAsync("12-cancelled");
        Assert.Equal(["Refund", "Deduction", "Charge"], await EntriesAsync(customer));
    }

    [Fact]
    public async Task Reservation_AfterTheDeadline_OffersNoCancellation()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.HoldAsync(2, 44, 1);
        await customer.ChargeAsync();
        await customer.PayButton.ClickAsync();
        await customer.Button("cancel.title").WaitForAsync();
        await ReplaceAsync(customer, "cancellableUntil", () => TimeProvider.System.GetUtcNow().AddMinutes(-1));

        await customer.Page.ReloadAsync();

        await customer.Page.GetByText(customer.Text("cancel.over").Split("{time}")[0]).WaitForAsync();
        Assert.Equal(0, await customer.Button("cancel.title").CountAsync());
    }

    [Theory]
    [InlineData(-3, 46)]
    [InlineData(3, 47)]
    public async Task Hold_OnADeviceWithAWrongClock_CountsByTheServers(int hours, int schedule)
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.Context.AddInitScriptAsync($"const real = Date.now; Date.now = () => real() + {hours} * 3600000;");

        await customer.HoldAsync(2, schedule, 1);

        // The page knows the server's time to two seconds.
        Assert.InRange(await ReadClockAsync(customer), 240, 303);
    }

    [Fact]
    public async Task Hold_NearItsEnd_WarnsAndThenSaysSo()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.HoldAsync(2, 43, 1);
        var ends = TimeProvider.System.GetUtcNow().AddSeconds(75);
        await ReplaceAsync(customer, "holdExpiresAt", () => ends);
        await customer.Page.ReloadAsync();
        await customer.Page.Locator(".hold.is-short").WaitForAsync();
        await customer.Page.Locator(".hold [role=alert]").Filter(new() { HasText = "60" }).WaitForAsync();
        await customer.LookAsync("7-checkout-short");
        ends = TimeProvider.System.GetUtcNow().AddSeconds(22);
        await customer.Page.ReloadAsync();
        await customer.Page.Locator(".hold [role=alert]").Filter(new() { HasText = "10" }).WaitForAsync();
    }

    // Changes an instant of a reservation on its way to the page.
    private static async Task ReplaceAsync(Customer customer, string member, Func<DateTimeOffset> instant) =>
        await customer.Page.RouteAsync("**/api/reservations/*", async route =>
        {
            var response = await route.FetchAsync();
            var body = JsonNode.Parse(await response.TextAsync())!;
            body[member] = JsonValue.Create(instant());
            await route.FulfillAsync(new() { Response = response, Body = body.ToJsonString() });
        });

    private static async Task<int> ReadClockAsync(Customer customer)
    {
        var parts = (await customer.Page.Locator(".hold-clock").InnerTextAsync()).Split(':');
        return int.Parse(parts[0], null) * 60 + int.Parse(parts[1], null);
    }

    private static async Task CheckPaidOnceAsync(Customer customer)
    {
        await customer.Page.Locator(".ticket.is-confirmed").WaitForAsync();
        Assert.Equal(["Deduction", "Charge"], await EntriesAsync(customer));
    }

    private static async Task<string[]> EntriesAsync(Customer customer) =>
        [.. (await customer.CallAsync(HttpMethod.Get, "/api/points/entries")).GetProperty("items").EnumerateArray()
            .Select(entry => entry.GetProperty("kind").GetString()!)];

    // The server gets the request, and the page gets no answer.
    private static async Task LoseFirstAnswerAsync(Customer customer, string pattern)
    {
        var isLost = false;
        await customer.Page.RouteAsync(pattern, async route =>
        {
            if (isLost || route.Request.Method != "POST")
            {
                await route.ContinueAsync();
                return;
            }
            isLost = true;
            await route.FetchAsync();
            await route.AbortAsync();
        });
    }
}
