using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>The whole way from the list of concerts to the ticket, as a customer goes it.</summary>
public sealed class PurchaseTests(Site site, Browser browser)
{
    [Theory]
    [InlineData("en", Device.Desktop, ColorScheme.Light, 1)]
    [InlineData("ko", Device.Desktop, ColorScheme.Dark, 2)]
    public async Task Purchase_ByMouse_EndsWithATicket(string language, Device device, ColorScheme scheme, int schedule)
    {
        await using var customer = await Customer.OpenAsync(site, browser, language, device, scheme);
        await BuyAsync(customer, device, schedule, button => button.ClickAsync());
    }

    [Theory]
    [InlineData("en", ColorScheme.Dark, 3)]
    [InlineData("ko", ColorScheme.Light, 4)]
    public async Task Purchase_ByTouch_EndsWithATicket(string language, ColorScheme scheme, int schedule)
    {
        await using var customer = await Customer.OpenAsync(site, browser, language, Device.Phone, scheme);
        await BuyAsync(customer, Device.Phone, schedule, button => button.TapAsync());
    }

    /// <summary>Reaches everything with Tab, and chooses the seats with the arrow keys.</summary>
    [Fact]
    public async Task Purchase_ByKeyboardAlone_EndsWithATicket()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        var page = customer.Page;
        await page.GotoAsync("/");
        await page.Locator(".concert").First.WaitForAsync();
        await TabToAsync(page, "a[href='/concerts/1']");
        await page.Keyboard.PressAsync("Enter");
        await page.Locator("#userId").WaitForAsync();
        await page.Keyboard.TypeAsync(customer.Id);
        await page.Keyboard.PressAsync("Enter");
        // The button has the focus when it is the customer's turn.
        await page.Locator(".room.is-turn a:focus").WaitForAsync();
        await page.Keyboard.PressAsync("Enter");
        await page.Locator(".dates-list a").First.WaitForAsync();
        await TabToAsync(page, "a[href$='/schedules/5']");
        await page.Keyboard.PressAsync("Enter");
        await page.Locator(".map").WaitForAsync();
        await TabToAsync(page, ".cursor");
        await page.Keyboard.PressAsync("Enter");
        await page.Keyboard.PressAsync("ArrowDown");
        var label = await page.EvaluateAsync<string>("document.activeElement.getAttribute('aria-label')");
        Assert.Matches("(?i)row (2|b), seat [0-9]+, 130,000 P, free", label);
        await page.Keyboard.PressAsync("ArrowRight");
        await page.Keyboard.PressAsync("Space");
        Assert.Equal(2, await page.Locator(".chosen li").CountAsync());
        await TabToAsync(page, ".booking-choice .primary");
        await page.Keyboard.PressAsync("Enter");
        await page.Locator(".charge button").WaitForAsync();
        await TabToAsync(page, ".charge button");
        await page.Keyboard.PressAsync("Enter");
        await page.Locator(".card > .primary:focus").WaitForAsync();
        await page.Keyboard.PressAsync("Enter");
        await page.Locator(".ticket.is-confirmed").WaitForAsync();
    }

    private static async Task BuyAsync(Customer customer, Device device, int schedule, Func<ILocator, Task> press)
    {
        var page = customer.Page;
        var suffix = $"-{device}".ToLowerInvariant();
        await page.GotoAsync("/");
        await page.Locator(".concert").Nth(2).WaitForAsync();
        await customer.LookAsync("1-concerts" + suffix);
        await press(page.Locator("a[href='/concerts/1']"));
        await page.Locator("#userId").WaitForAsync();
        await customer.LookAsync("2-sign-in" + suffix);
        await page.FillAsync("#userId", customer.Id);
        await press(page.Locator("form button"));
        await customer.Button("room.start").WaitForAsync();
        await customer.LookAsync("3-turn" + suffix);
        await press(customer.Button("room.start"));
        await page.Locator(".dates-list li").Nth(29).WaitForAsync();
        await customer.LookAsync("4-schedules" + suffix);
        await press(page.Locator($"a[href$='/schedules/{schedule}']"));
        await page.Locator(".map").WaitForAsync();
        await PressSeatAsync(page, device, 3, 2);
        await press(page.Locator(".best button").Nth(1));
        Assert.Equal(2, await page.Locator(".chosen li").CountAsync());
        await customer.LookAsync("5-seats" + suffix);
        await press(page.Locator(".tab").Nth(1));
        await page.Locator(".seat-row .seat").First.WaitForAsync();
        await customer.LookAsync("6-seat-list" + suffix);
        await press(customer.Button("seats.hold"));
        await page.Locator(".charge button").WaitForAsync();
        await customer.LookAsync("7-checkout" + suffix);
        await press(page.Locator(".charge button"));
        await page.Locator(".charge").WaitForAsync(new() { State = WaitForSelectorState.Detached });
        await press(customer.PayButton);
        await page.Locator(".ticket.is-confirmed").WaitForAsync();
        await customer.LookAsync("8-ticket" + suffix);
        await press(page.Locator("nav a[href='/reservations']"));
        await page.Locator(".stub.is-confirmed").WaitForAsync();
        await customer.LookAsync("9-reservations" + suffix);
        await press(page.Locator("nav a[href='/points']"));
        await page.Locator(".entry").Nth(1).WaitForAsync();
        await customer.LookAsync("10-points" + suffix);
        Assert.Equal(0, (await customer.CallAsync(HttpMethod.Get, "/api/points")).GetProperty("balance").GetInt64());
    }

    // A seat of the map, by its row and place: it is found by its position, as the eye does it.
    private static async Task PressSeatAsync(IPage page, Device device, int row, int place)
    {
        await page.Locator($".map .tier-{row}").WaitForAsync();
        var point = await page.EvaluateAsync<float[]>("""
            ([row, place]) => {
              const map = document.querySelector(".map"), path = map.querySelector(`.tier-${row}`), cursor = map.createSVGPoint();
              const [x, y] = /M(\S+) (\S+?)q/.exec(path.getAttribute('d').split('z')[place - 1]).slice(1).map(Number);
              cursor.x = x + 3.6; cursor.y = y + 1.6;
              const at = cursor.matrixTransform(map.getScreenCTM());
              return [at.x, at.y];
            }
            """, new[] { row, place });
        if (device == Device.Phone)
            await page.Touchscreen.TapAsync(point[0], point[1]);
        else
            await page.Mouse.ClickAsync(point[0], point[1]);
        await page.Locator(".chosen li").WaitForAsync();
        Assert.Contains("110,000", await page.Locator(".chosen li").InnerTextAsync(), StringComparison.Ordinal);
    }

    private static async Task TabToAsync(IPage page, string selector)
    {
        for (var presses = 0; presses < 120; presses++)
        {
            if (await page.EvaluateAsync<bool>("selector => document.activeElement.matches(selector)", selector))
                return;
            await page.Keyboard.PressAsync("Tab");
        }
        Assert.Fail($"Tab does not reach {selector}.");
    }
}
