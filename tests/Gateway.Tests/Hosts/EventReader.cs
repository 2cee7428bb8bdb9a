using System.Globalization;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>An event of a stream.</summary>
public sealed record Event(string Name, string Data, string? Id);

/// <summary>Reads an event stream, with a limit for each wait.</summary>
public sealed class EventReader : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly HttpResponseMessage _response;
    private readonly StreamReader _reader;

    private EventReader(HttpResponseMessage response, StreamReader reader)
    {
        _response = response;
        _reader = reader;
    }

    public List<string> Comments { get; } = [];

    /// <summary>When the client should reconnect; null without such a line.</summary>
    public int? RetryMilliseconds { get; private set; }

    public static async Task<EventReader> OpenAsync(Task<HttpResponseMessage> request)
    {
        var response = await request;
        Assert.Equal((200, "text/event-stream"), ((int)response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        return new EventReader(response, new StreamReader(await response.Content.ReadAsStreamAsync()));
    }

    /// <summary>The next event; null at the end of the stream.</summary>
    public async Task<Event?> NextAsync()
    {
        string? name = null, data = null, id = null;
        while (await _reader.ReadLineAsync().WaitAsync(Limit) is { } line)
        {
            if (line.StartsWith(':'))
                Comments.Add(line);
            else if (line.StartsWith("event: ", StringComparison.Ordinal))
                name = line[7..];
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
                data = line[6..];
            else if (line.StartsWith("retry: ", StringComparison.Ordinal))
                RetryMilliseconds = int.Parse(line[7..], CultureInfo.InvariantCulture);
            else if (line.StartsWith("id: ", StringComparison.Ordinal))
                id = line[4..];
            else if (name is not null)
                return new Event(name, data!, id);
        }
        return null;
    }

    public ValueTask DisposeAsync()
    {
        _reader.Dispose();
        _response.Dispose();
        return ValueTask.CompletedTask;
    }
}
