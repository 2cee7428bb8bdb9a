using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using Xunit;

namespace ConcertSaga.Browser.Tests.Console;

/// <summary>A browser window in which an operator has signed in. It collects everything that the browser complains about.</summary>
internal sealed class ConsoleWindow : IAsyncDisposable
{
    // Beside the results of all tests, as the script of all tests names the folder.
    private static readonly string Screenshots = Path.Combine(Testing.Repository.Root, "TestResults", "screenshots", "console");

    private readonly IBrowserContext _window;
    private readonly List<string> _complaints = [];

    private ConsoleWindow(IBrowserContext window, IPage page) => (_window, Page) = (window, page);

    public IPage Page { get; }

    public static async Task<ConsoleWindow> SignInAsync(Browser browser, ConsoleSite site, string language = "en-GB",
        ColorScheme scheme = ColorScheme.Light, bool isOperator = true, string path = "/ops", bool hasScripts = true)
    {
        var window = await browser.OpenAsync(site.Address, language, scheme, hasScripts);
        var page = await window.NewPageAsync();
        var console = new ConsoleWindow(window, page);
        page.Console += (_, message) =>
        {
            // The browser reports a page that is an error by its status, too.
            if (message.Type is "error" or "warning" && message.Location.Split('#')[0] != $"{page.Url}:0:0")
                console._complaints.Add($"{page.Url}: {message.Text}");
        };
        page.PageError += (_, error) => console._complaints.Add($"{page.Url}: {error}");
        page.Request += (_, request) =>
        {
            if (new Uri(request.Url).Authority != site.Address.Authority)
                console._complaints.Add($"{page.Url} asks {request.Url}");
        };
        await page.GotoAsync(path);
        await page.Locator("#userId").FillAsync("olga");
        if (isOperator)
            await page.Locator("#ops").CheckAsync();
        await page.Locator("button[type=submit]").ClickAsync();
        return console;
    }

    /// <summary>Opens a page, checks it for accessibility and keeps a picture of it.</summary>
    public async Task VisitAsync(string path, string picture, int status = 200)
    {
        var response = await Page.GotoAsync(path);
        Assert.Equal(status, response!.Status);
        await CheckAsync(picture);
    }

    /// <summary>Checks the open page for accessibility and keeps a picture of it.</summary>
    public async Task CheckAsync(string picture)
    {
        Directory.CreateDirectory(Screenshots);
        await Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(Screenshots, picture + ".png"), FullPage = true });
        var axe = await Page.RunAxe();
        Assert.True(axe.Violations.Length == 0, $"{Page.Url}:\n" + string.Join('\n', axe.Violations.SelectMany(violation =>
            violation.Nodes.Select(node =>
                $"{violation.Id}: {violation.Help}\n  {node.Html}\n  {string.Join(' ', node.Any.Select(why => why.Message))}"))));
        CheckComplaints();
    }

    /// <summary>Fails if the page is wider than the window; a table may scroll in its own box.</summary>
    public async Task CheckWidthAsync() =>
        Assert.True(await Page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth") <= 0, $"{Page.Url} is too wide.");

    /// <summary>Fails if the browser has refused anything, or if a script has failed.</summary>
    public void CheckComplaints() => Assert.True(_complaints.Count == 0, string.Join('\n', _complaints));

    public Task SubmitAsync(string button, string reasonField, string reason) => SubmitAsync(Page.GetByRole(AriaRole.Button,
        new() { Name = button, Exact = true }), reasonField, reason);

    private async Task SubmitAsync(ILocator button, string reasonField, string reason)
    {
        await Page.Locator($"#{reasonField}").FillAsync(reason);
        await button.ClickAsync();
    }

    public async ValueTask DisposeAsync() => await _window.DisposeAsync();
}
