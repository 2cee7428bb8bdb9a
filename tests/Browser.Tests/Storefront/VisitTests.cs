using Xunit;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>What holds on every page: the language, the end of a session, and an update of the site.</summary>
public sealed class VisitTests(Site site, Browser browser)
{
    [Fact]
    public async Task Language_Switched_IsKept()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        var page = customer.Page;
        await page.GotoAsync("/");
        await page.Locator("html[lang=en]").WaitForAsync();

        await page.Locator("#top button[lang=ko]").ClickAsync();

        await page.Locator("html[lang=ko] .concert").First.WaitForAsync();
        await page.ReloadAsync();
        await page.Locator("html[lang=ko]").WaitForAsync();
        var second = await customer.OpenTabAsync();
        await second.GotoAsync("/auth/sign-in");
        await second.Locator("html[lang=ko]").WaitForAsync();
        await page.Locator("#top button[lang=en]").ClickAsync();
        await page.Locator("html[lang=en] .concert").First.WaitForAsync();
    }

    /// <summary>The next customer at the same device finds nothing of the one before.</summary>
    [Fact]
    public async Task SignOut_OfACustomer_ForgetsThePlaceAndTheSession()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.SignInAsync("/concerts/1");
        await customer.Button("room.start").WaitForAsync();
        Assert.NotNull(await customer.Page.EvaluateAsync<string?>("localStorage.getItem('place:1')"));

        await customer.Button("nav.signOut").ClickAsync();

        await customer.Page.IsAtAsync($"^{site.Address}$");
        await customer.Button("nav.signIn").WaitForAsync();
        Assert.Empty(await customer.Page.EvaluateAsync<string[]>(
            "Object.keys(localStorage).filter(name => name === 'user' || name.startsWith('place:')).concat(Object.keys(sessionStorage))"));
        Assert.Equal(401, await customer.Page.EvaluateAsync<int>("fetch('/auth/session').then(response => response.status)"));
    }

    /// <summary>A poll that is answered after the session has ended does not lead to the sign-in.</summary>
    [Fact]
    public async Task SignOut_DuringAPoll_LeadsHome()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.SignInAsync("/concerts/1");
        await customer.Button("room.start").WaitForAsync();
        var isSignedOut = new TaskCompletionSource();
        await customer.Page.RouteAsync("**/api/queue/tokens/current", async route =>
        {
            await isSignedOut.Task;
            await route.ContinueAsync();
        });
        await customer.Page.RunAndWaitForRequestAsync(() => customer.Page.ReloadAsync(), "**/api/queue/tokens/current");
        await customer.Page.RouteAsync(site.Address.ToString(), async route =>
        {
            isSignedOut.TrySetResult();
            await Task.Delay(500);
            await route.ContinueAsync();
        });

        await customer.Button("nav.signOut").ClickAsync();

        await customer.Page.IsAtAsync($"^{site.Address}$");
        await customer.Button("nav.signIn").WaitForAsync();
        Assert.Null(await customer.Page.EvaluateAsync<string?>("localStorage.getItem('place:1')"));
    }

    /// <summary>After an update, the modules of the open page no longer exist.</summary>
    [Fact]
    public async Task Site_UpdatedMeanwhile_ReloadsThePage()
    {
        await using var customer = await Customer.OpenAsync(site, browser);
        await customer.SignInAsync("/reservations");
        await customer.Page.Locator(".empty").WaitForAsync();
        var isGone = true;
        await customer.Page.RouteAsync("**/points.js", async route =>
        {
            if (isGone)
                await route.FulfillAsync(new() { Status = 404 });
            else
                await route.ContinueAsync();
            isGone = false;
        });

        await customer.Page.Locator("nav a[href='/points']").ClickAsync();

        await customer.Page.Locator(".balance").WaitForAsync();
        Assert.False(isGone);
    }
}
