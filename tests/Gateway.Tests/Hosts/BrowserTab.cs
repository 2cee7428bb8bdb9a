using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using ConcertSaga.Testing;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>A tab of a real browser, in which a test acts as the customer and as the script of a page.</summary>
public sealed class BrowserTab : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly IAsyncDisposable _browser;
    private readonly ClientWebSocket _socket = new();
    private int _id;

    private BrowserTab(IAsyncDisposable browser) => _browser = browser;

    public static async Task<BrowserTab> OpenAsync(Uri address)
    {
        var (browser, port) = await Browser.StartAsync();
        var tab = new BrowserTab(browser);
        try
        {
            using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            var pages = await client.GetFromJsonAsync<JsonElement>("/json/list");
            await tab._socket.ConnectAsync(new Uri(pages[0].GetProperty("webSocketDebuggerUrl").GetString()!), default);
            await tab.CallAsync("Page.navigate", new { url = address.ToString() });
            return tab;
        }
        catch
        {
            await tab.DisposeAsync();
            throw;
        }
    }

    /// <summary>Reloads the page and lets its scripts call this origin, whatever the policy of the page says.</summary>
    public async Task BypassPolicyAsync()
    {
        await CallAsync("Page.setBypassCSP", new { enabled = true });
        await CallAsync("Page.reload", new { });
    }

    /// <summary>Runs a script in the page, waits for its promise and returns its value as text.</summary>
    public async Task<string> RunAsync(string script)
    {
        var answer = await CallAsync("Runtime.evaluate", new { expression = script, awaitPromise = true, returnByValue = true });
        var result = answer.GetProperty("result").GetProperty("result");
        return result.TryGetProperty("value", out var value) ? value.ToString() : result.ToString();
    }

    /// <summary>Waits until the text of the page contains a word.</summary>
    public Task ShowsAsync(string text) => Eventually.TrueAsync(async () =>
    {
        var page = await RunAsync("document.readyState + ' ' + location.href + ' ' + document.body.innerText");
        return page.Contains(text, StringComparison.Ordinal) ? true : throw new InvalidDataException(page);
    }, Limit, $"the page shows {text}");

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _browser.DisposeAsync();
    }

    private async Task<JsonElement> CallAsync(string method, object parameters)
    {
        using var limit = new CancellationTokenSource(Limit);
        var id = ++_id;
        await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(new { id, method, @params = parameters }), WebSocketMessageType.Text,
            true, limit.Token);
        while (true)
        {
            using var message = new MemoryStream();
            var buffer = new byte[16 * 1024];
            WebSocketReceiveResult part;
            do
            {
                part = await _socket.ReceiveAsync(buffer, limit.Token);
                message.Write(buffer, 0, part.Count);
            }
            while (!part.EndOfMessage);
            var answer = JsonDocument.Parse(Encoding.UTF8.GetString(message.ToArray())).RootElement;
            // Other messages are events of the browser.
            if (answer.TryGetProperty("id", out var answered) && answered.GetInt32() == id)
                return answer;
        }
    }
}
