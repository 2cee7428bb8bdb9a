using System.Text.Json;
using System.Text.RegularExpressions;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Storefront;

/// <summary>The device of a customer.</summary>
public enum Device
{
    Desktop,
    Phone
}

/// <summary>
/// A customer with a browser of their own. Records what the browser refuses or reports as an error, which a test must not leave behind.
/// </summary>
public sealed class Customer : IAsyncDisposable
{
    private readonly Site _site;
    private readonly JsonElement _texts;
    private readonly List<string> _errors = [];

    private Customer(Site site, IBrowserContext context, string language, string id)
    {
        _site = site;
        Context = context;
        Id = id;
        Language = language;
        _texts = Messages.Read(language);
    }

    public string Id { get; }

    public string Language { get; }

    public IBrowserContext Context { get; }

    /// <summary>The first tab.</summary>
    public IPage Page { get; private set; } = null!;

    /// <summary>Error lines of the console, and failures of scripts, that the test has not declared as expected.</summary>
    public IReadOnlyList<string> Errors => _errors;

    public static async Task<Customer> OpenAsync(Site site, Browser browser, string language = "en", Device device = Device.Desktop,
        ColorScheme scheme = ColorScheme.Light)
    {
        var options = device == Device.Phone ? browser.Device("Pixel 7")
            : new() { ViewportSize = new() { Width = 1280, Height = 860 } };
        options.Locale = language == "ko" ? "ko-KR" : "en-GB";
        options.TimezoneId = "Europe/Berlin";
        options.ColorScheme = scheme;
        options.ReducedMotion = ReducedMotion.Reduce;
        options.BaseURL = site.Address.ToString();
        var context = await browser.OpenAsync(options);
        var customer = new Customer(site, context, language, "fan-" + $"{Guid.CreateVersion7():N}"[^10..]);
        customer.Page = await customer.OpenTabAsync();
        return customer;
    }

    public async Task<IPage> OpenTabAsync()
    {
        var page = await Context.NewPageAsync();
        page.Console += (_, line) =>
        {
            // The browser itself reports each refused request, which tests cause on purpose.
            if (line.Type == "error" && !line.Text.StartsWith("Failed to load resource", StringComparison.Ordinal))
                _errors.Add(line.Text);
        };
        page.PageError += (_, error) => _errors.Add(error);
        return page;
    }

    /// <summary>The text of a key in the customer's language.</summary>
    public string Text(string key) => _texts.GetProperty(key).GetString()!;

    /// <summary>A button or link with the text of a key.</summary>
    public ILocator Button(string key) =>
        Page.Locator("button, a").Filter(new() { HasText = Text(key), Visible = true }).First;

    /// <summary>Opens an address as a signed-in customer, by the form of the demo sign-in if there is no session.</summary>
    public async Task SignInAsync(string returnTo)
    {
        await Page.GotoAsync($"/auth/sign-in?returnUrl={Uri.EscapeDataString(returnTo)}");
        await Page.FillAsync("#userId", Id);
        await Page.PressAsync("#userId", "Enter");
        await Page.IsAtAsync($"{Regex.Escape(returnTo)}$");
    }

    /// <summary>Signs in, waits for the pass and opens the seat map of a schedule.</summary>
    public async Task OpenSeatsAsync(int concert, int schedule)
    {
        await SignInAsync($"/concerts/{concert}");
        await Button("room.start").ClickAsync();
        await Page.Locator($"a[href$='/schedules/{schedule}']").ClickAsync();
        await Page.Locator(".map").WaitForAsync();
    }

    /// <summary>Holds the best seats of a schedule and opens the checkout.</summary>
    public async Task HoldAsync(int concert, int schedule, int count)
    {
        await OpenSeatsAsync(concert, schedule);
        await Page.Locator(".best button").Nth(count - 1).ClickAsync();
        await Button("seats.hold").ClickAsync();
        await Page.Locator(".hold-clock").WaitForAsync();
    }

    /// <summary>Charges the points that the checkout lacks.</summary>
    public async Task ChargeAsync()
    {
        await Page.Locator(".charge button").ClickAsync();
        await Page.Locator(".charge").WaitForAsync(new() { State = WaitForSelectorState.Detached });
    }

    public ILocator PayButton => Page.Locator(".card > .button.primary.wide");

    /// <summary>Calls the API as this customer.</summary>
    public Task<JsonElement> CallAsync(HttpMethod method, string path, object? body = null) => _site.CallAsync(Id, method, path, body);

    /// <summary>Checks the page for barriers, and keeps a picture of it.</summary>
    public async Task LookAsync(string name)
    {
        await Page.WaitForTimeoutAsync(50);
        var folder = Directory.CreateDirectory(Path.Combine(Testing.Repository.Root, "TestResults", "screenshots"));
        await Page.ScreenshotAsync(new() { Path = Path.Combine(folder.FullName, $"{name}-{Language}.png") });
        var report = await Page.RunAxe();
        Assert.True(report.Violations.Length == 0, $"{name}: " + string.Join("\n", report.Violations.Select(violation =>
            $"{violation.Id}: {violation.Help}\n{string.Join('\n', violation.Nodes.Select(node => $"  {node.Html}\n  {string.Join("; ",
                node.Any.Select(check => check.Message))}"))}")));
    }

    public async ValueTask DisposeAsync()
    {
        await Context.DisposeAsync();
        Assert.Empty(_errors);
    }
}
