using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>The waiting room of a concert that an operator has paused, so that its customers wait.</summary>
public sealed class WaitingRoomTests(Site site, Browser browser) : IAsyncLifetime
{
    private const int Concert = 3;

    public async ValueTask InitializeAsync() => await SetPausedAsync(true);

    public async ValueTask DisposeAsync() => await SetPausedAsync(false);

    [Theory]
    [InlineData("en", Device.Desktop, ColorScheme.Dark)]
    [InlineData("ko", Device.Phone, ColorScheme.Light)]
    public async Task Page_WhileWaiting_ShowsThePlaceAndTheTurn(string language, Device device, ColorScheme scheme)
    {
        await using var customer = await Customer.OpenAsync(site, browser, language, device, scheme);
        await customer.SignInAsync($"/concerts/{Concert}");
        await customer.Page.Locator(".room .alert:not([hidden])").WaitForAsync();
        Assert.Equal(customer.Text("room.Paused"), await customer.Page.Locator(".room .alert").InnerTextAsync());
        Assert.StartsWith("(", await customer.Page.TitleAsync(), StringComparison.Ordinal);
        await customer.LookAsync($"3-waiting-{device}".ToLowerInvariant());

        await SetPausedAsync(false);
        await customer.Button("room.start").WaitForAsync();
        Assert.StartsWith("●", await customer.Page.TitleAsync(), StringComparison.Ordinal);
    }

    /// <summary>What one of a hundred thousand customers costs who open the page in the same minute.</summary>
    [Fact]
    public async Task Page_OpenedFirst_NeedsThreeSmallFiles()
    {
        await using var customer = await Customer.OpenAsync(site, browser, "ko");
        await customer.SignInAsync("/points");
        await customer.Page.Locator(".balance").WaitForAsync();
        var cdp = await customer.Context.NewCDPSessionAsync(customer.Page);
        await cdp.SendAsync("Network.enable");
        await cdp.SendAsync("Network.setCacheDisabled", new() { ["cacheDisabled"] = true });
        var requests = new List<IRequest>();
        customer.Page.Request += (_, request) => requests.Add(request);

        await customer.Page.GotoAsync($"/concerts/{Concert}");
        await customer.Page.Locator(".place-number").Filter(new() { HasTextRegex = new("[0-9]") }).WaitForAsync();

        var before = requests.TakeWhile(request => !request.Url.Contains("/api/queue/", StringComparison.Ordinal)).ToList();
        var bytes = 0;
        foreach (var request in before)
        {
            var sizes = await request.SizesAsync();
            bytes += sizes.ResponseBodySize + sizes.ResponseHeadersSize;
        }
        Assert.True(before.Count <= 3, string.Join('\n', before.Select(request => request.Url)));
        Assert.InRange(bytes, 1_000, 50_000);
        TestContext.Current.SendDiagnosticMessage($"{before.Count} requests, {bytes} bytes");
    }

    [Fact]
    public async Task Place_OverReloadBackAndASecondTab_StaysTheSame()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.SignInAsync($"/concerts/{Concert}");
        var token = await TokenAsync(customer.Page);
        await customer.Page.ReloadAsync();
        Assert.Equal(token, await TokenAsync(customer.Page));

        var second = await customer.OpenTabAsync();
        await second.GotoAsync($"/concerts/{Concert}");
        Assert.Equal(token, await TokenAsync(second));

        await customer.Page.GotoAsync("/");
        await customer.Page.GoBackAsync();
        Assert.Equal(token, await TokenAsync(customer.Page));

        await SetPausedAsync(false);
        await second.Locator(".room.is-turn").WaitForAsync();
        await customer.Page.Locator(".room.is-turn").WaitForAsync();
    }

    [Fact]
    public async Task Page_Offline_SaysSoAndComesBack()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.SignInAsync($"/concerts/{Concert}");
        var token = await TokenAsync(customer.Page);
        await customer.Context.SetOfflineAsync(true);
        await customer.Page.Locator(".room .alert").Filter(new() { HasText = customer.Text("refusal.OFFLINE") }).WaitForAsync();
        await customer.LookAsync("3-waiting-offline");
        await SetPausedAsync(false);

        await customer.Context.SetOfflineAsync(false);

        await customer.Page.Locator(".room.is-turn").WaitForAsync();
        Assert.Equal(token, await TokenAsync(customer.Page));
    }

    [Fact]
    public async Task Gateway_KilledWhileWaiting_KeepsThePlace()
    {
        await using var customer = await Customer.OpenAsync(site, browser, "ko");
        await customer.SignInAsync($"/concerts/{Concert}");
        var token = await TokenAsync(customer.Page);
        await site.KillAsync();
        await customer.Page.Locator(".room .alert").Filter(new() { HasText = customer.Text("refusal.OFFLINE") }).WaitForAsync();

        await site.RestartAsync();
        await SetPausedAsync(false);

        await customer.Page.Locator(".room.is-turn").WaitForAsync();
        Assert.Equal(token, await TokenAsync(customer.Page));
    }

    /// <summary>Polls are changed on their way to the page, because selling a whole concert takes long.</summary>
    [Theory]
    [InlineData("Open", "room.soldOut")]
    [InlineData("Suspended", "room.Suspended")]
    [InlineData("Closed", "room.Closed")]
    public async Task Sale_SoldOutOrStopped_IsSaidPlainly(string admission, string text)
    {
        await using var customer = await Customer.OpenAsync(site, browser, "ko");
        await customer.Page.RouteAsync("**/api/queue/tokens**", async route =>
        {
            var response = await route.FetchAsync();
            var body = JsonNode.Parse(await response.TextAsync())!;
            Assert.False(body["soldOut"]!.GetValue<bool>());
            (body["admission"], body["soldOut"]) = (admission, true);
            await route.FulfillAsync(new() { Response = response, Body = body.ToJsonString() });
        });

        await customer.SignInAsync($"/concerts/{Concert}");

        await customer.Page.Locator(".room .alert").Filter(new() { HasText = customer.Text(text), Visible = true }).WaitForAsync();
        await customer.LookAsync($"3-waiting-{text}".ToLowerInvariant());
    }

    /// <summary>The page that polls saves the others of the browser their polls.</summary>
    [Fact]
    public async Task Place_InTwoTabs_IsPolledOnce()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.Context.RouteAsync("**/api/queue/tokens**", async route =>
        {
            var response = await route.FetchAsync();
            var body = JsonNode.Parse(await response.TextAsync())!;
            body["pollAfterSeconds"] = 2;
            await route.FulfillAsync(new() { Response = response, Body = body.ToJsonString() });
        });
        await customer.SignInAsync($"/concerts/{Concert}");
        await TokenAsync(customer.Page);
        var second = await customer.OpenTabAsync();
        await second.GotoAsync($"/concerts/{Concert}");
        await TokenAsync(second);
        var polls = 0;
        customer.Context.Request += (_, request) =>
            Interlocked.Add(ref polls, request.Url.EndsWith("/api/queue/tokens/current", StringComparison.Ordinal) ? 1 : 0);

        await Task.Delay(TimeSpan.FromSeconds(12));

        Assert.InRange(polls, 2, 7);
        foreach (var page in new[] { customer.Page, second })
            Assert.Matches("Updated [0-9] second", await page.Locator(".room ~ .hint").InnerTextAsync());
    }

    [Fact]
    public async Task Page_LeftWhileWaiting_AsksFirst()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.SignInAsync($"/concerts/{Concert}");
        var token = await TokenAsync(customer.Page);
        var points = customer.Page.Locator("nav a[href='/points']");
        await points.ClickAsync();
        await customer.Page.Locator("dialog .quiet").ClickAsync();
        Assert.EndsWith($"/concerts/{Concert}", customer.Page.Url, StringComparison.Ordinal);

        // The browser itself asks before it loads or closes a page.
        var asked = new TaskCompletionSource<string>();
        customer.Page.Dialog += async (_, dialog) =>
        {
            asked.TrySetResult(dialog.Type);
            await dialog.AcceptAsync();
        };
        await customer.Page.ReloadAsync();
        Assert.Equal("beforeunload", await asked.Task.WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(token, await TokenAsync(customer.Page));

        await points.ClickAsync();
        await customer.Page.Locator("dialog .primary").ClickAsync();
        await customer.Page.Locator(".balance").WaitForAsync();
        await customer.Page.GoBackAsync();
        Assert.Equal(token, await TokenAsync(customer.Page));
    }

    [Fact]
    public async Task Line_Left_AsksFirst()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.SignInAsync($"/concerts/{Concert}");
        var token = await TokenAsync(customer.Page);
        await customer.Button("room.leave").ClickAsync();
        await customer.Page.Locator("dialog .quiet").ClickAsync();
        Assert.Equal(token, await TokenAsync(customer.Page));

        await customer.Button("room.leave").ClickAsync();
        await customer.LookAsync("3-leave");
        await customer.Page.Locator("dialog .primary").ClickAsync();
        await customer.Page.IsAtAsync($"^{site.Address}$");
        Assert.Null(await customer.Page.EvaluateAsync<string?>($"localStorage.getItem('place:{Concert}')"));
    }

    private static async Task<string> TokenAsync(IPage page)
    {
        await page.Locator(".place-number, .place-turn").Filter(new() { HasTextRegex = new("[^ ]") }).WaitForAsync();
        return await page.EvaluateAsync<string>($"JSON.parse(localStorage.getItem('place:{Concert}')).place.tokenId");
    }

    private async Task SetPausedAsync(bool isPaused) =>
        await site.CallAsync("operator", HttpMethod.Patch, $"/ops/api/waiting-rooms/{Concert}",
            new { paused = isPaused, reason = "A test." }, roles: ["ops"]);
}
