using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing;
using MassTransit;
using Xunit;

namespace ConcertSaga.Queue.Tests.Scenarios;

/// <summary>One customer who enters, waits, and then buys, leaves or vanishes; each request goes to a random replica.</summary>
internal sealed class ReplicaCustomer(int number, Uri[] replicas, HttpClient http, IBus bus)
{
    private const string Current = "/api/queue/tokens/current";
    private const int MaxRetries = 200;

    // Many customers share two processors with the replicas, so they do not poll more often than the test needs.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2), WaitingPause = TimeSpan.FromMilliseconds(400),
        EndingPause = TimeSpan.FromMilliseconds(250), RetryPause = TimeSpan.FromMilliseconds(100);

    private readonly string _user = $"user-{number}";
    private readonly Random _random = new(number);
    private QueueTokenView _token = null!;

    /// <summary>Returns when the entry has ended, or when the customer has vanished.</summary>
    public async Task<(string UserId, Guid TokenId)> RunAsync()
    {
        _token = await EnterAsync();
        if (number % 14 == 0)
            return (_user, _token.TokenId);
        await WaitAsync();
        await EndAsync();
        await Eventually.TrueAsync(async () =>
        {
            if ((await PollAsync()).Status == HttpStatusCode.Gone)
                return true;
            await Task.Delay(EndingPause);
            return false;
        }, Limit, $"the pass of {_user} has ended");
        return (_user, _token.TokenId);
    }

    private async Task WaitAsync()
    {
        for (; _token.Status == "Waiting"; await Task.Delay(WaitingPause))
        {
            // Sometimes the customer enters from another device instead.
            var (status, next) = _random.Next(8) == 0 ? (HttpStatusCode.OK, await EnterAsync()) : await PollAsync();
            Assert.True(next is not null, $"{_user} at {_token.Position} was answered {status}");
            Assert.Equal(_token.TokenId, next.TokenId);
            Assert.True(next.Position <= _token.Position, $"{_user} was at {_token.Position} and is at {next.Position}");
            _token = next;
        }
    }

    // Seven in ten buy, two leave, and the pass of one expires.
    private async Task EndAsync()
    {
        if (number % 10 < 7)
        {
            var confirmed = new ReservationConfirmed(Guid.CreateVersion7(), _user, 1, 1, [1], 1_000, _token.TokenId,
                TimeProvider.System.GetUtcNow(), 1);
            // A broker may deliver a message twice.
            await Task.WhenAll(bus.Publish(confirmed), bus.Publish(confirmed));
        }
        else if (number % 10 < 9)
        {
            await SendAsync(HttpMethod.Delete, Current, null);
        }
    }

    private async Task<QueueTokenView> EnterAsync()
    {
        var (status, body) = await SendAsync(HttpMethod.Post, "/api/queue/tokens", new { concertId = 1 });
        Assert.True(status is HttpStatusCode.Created or HttpStatusCode.OK, $"{_user} was answered {status}: {body}");
        return body.Deserialize<QueueTokenView>(JsonSerializerOptions.Web)!;
    }

    private async Task<(HttpStatusCode Status, QueueTokenView? View)> PollAsync()
    {
        var (status, body) = await SendAsync(HttpMethod.Get, Current, null);
        return (status, status == HttpStatusCode.OK ? body.Deserialize<QueueTokenView>(JsonSerializerOptions.Web) : null);
    }

    // A killed replica does not answer, so the customer retries at a random one.
    private async Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(HttpMethod method, string path, object? body)
    {
        for (var left = MaxRetries; ; left--)
        {
            try
            {
                using var request = CreateRequest(method, path, body);
                using var answer = await http.SendAsync(request);
                if (answer.StatusCode != HttpStatusCode.ServiceUnavailable || left == 0)
                    return (answer.StatusCode, answer.StatusCode == HttpStatusCode.NoContent ? default
                        : await answer.Content.ReadFromJsonAsync<JsonElement>());
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException && left > 0)
            {
            }
            await Task.Delay(RetryPause);
        }
    }

    private HttpRequestMessage CreateRequest(HttpMethod method, string path, object? body)
    {
        var request = new HttpRequestMessage(method, new Uri(replicas[_random.Next(replicas.Length)], path));
        request.Headers.Add(Caller.UserIdHeader, _user);
        if (body is null)
        {
            request.Headers.Add(Caller.QueueTokenIdHeader, _token.TokenId.ToString());
            request.Headers.Add(Caller.QueueConcertIdHeader, "1");
        }
        else
        {
            request.Content = JsonContent.Create(body);
        }
        return request;
    }
}
