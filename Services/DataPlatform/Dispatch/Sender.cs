using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Text;
using ConcertSaga.DataPlatform.Data;
using Microsoft.Extensions.Options;

namespace ConcertSaga.DataPlatform.Dispatch;

/// <summary>The result of one HTTP request for a delivery.</summary>
/// <param name="Verdict">The meaning of the answer.</param>
/// <param name="At">When the attempt began.</param>
/// <param name="Duration">How long the attempt took.</param>
/// <param name="StatusCode">The status of the answer; null without an answer.</param>
/// <param name="Reason">The label of the metric: the status, or the kind of failure.</param>
/// <param name="Error">The description for operators.</param>
/// <param name="RetryAfter">The wait that the destination asks for, capped by <see cref="DataPlatformOptions.MaxRetryAfter"/>.</param>
/// <param name="IsThrottled">Whether the destination asks for fewer requests.</param>
internal sealed record AttemptResult(
    Verdict Verdict, DateTimeOffset At, TimeSpan Duration, int? StatusCode = null, string? Reason = null, string? Error = null,
    TimeSpan? RetryAfter = null, bool IsThrottled = false);

/// <summary>Posts a signed delivery and classifies the answer. It changes no state.</summary>
internal sealed class Sender : IDisposable
{
    // The beginning of an error page is enough to recognise it.
    private const int MaxErrorBytes = 4 * 1024;

    private static readonly ActivitySource Tracing = new("ConcertSaga");

    private readonly DataPlatformOptions _options;
    private readonly Signer _signer;
    private readonly TimeProvider _clock;
    private readonly HttpClient _http;

    public Sender(IOptions<DataPlatformOptions> options, Signer signer, AddressPolicy addresses, TimeProvider clock)
    {
        _options = options.Value;
        _signer = signer;
        _clock = clock;
        var sockets = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            // With a proxy, the address policy would judge the proxy's address.
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            // Trace ids are internal.
            ActivityHeadersPropagator = null,
            ConnectCallback = addresses.ConnectAsync,
            ConnectTimeout = _options.Timeout,
            MaxConnectionsPerServer = _options.Concurrency,
            // A new connection resolves the name again.
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = 64 * 1024
        };
        _http = new HttpClient(sockets) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Whether a destination and a secret are configured.</summary>
    public bool IsReady => _options.Destination is not null && _signer.CanSign;

    /// <param name="deliveryId">The delivery.</param>
    /// <param name="payload">The body.</param>
    /// <param name="traceParent">The trace that the request belongs to, if any.</param>
    public async Task<AttemptResult> SendAsync(Guid deliveryId, string payload, string? traceParent = null)
    {
        using var activity = traceParent is null ? null : Tracing.StartActivity("deliver", ActivityKind.Internal, traceParent);
        var at = _clock.GetUtcNow();
        var started = Stopwatch.GetTimestamp();
        using var limit = new CancellationTokenSource(_options.Timeout, _clock);
        try
        {
            using var request = Request(deliveryId, at, payload);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            var verdict = AnswerClassifier.Classify(response.StatusCode);
            var error = verdict == Verdict.Delivered ? null : await DescribeAsync(response, limit.Token);
            var retryAfter = verdict == Verdict.Unavailable ? RetryAfter(response.Headers.RetryAfter) : null;
            var status = (int)response.StatusCode;
            return new AttemptResult(
                verdict, at, Stopwatch.GetElapsedTime(started), status, status.ToString(CultureInfo.InvariantCulture), error, retryAfter,
                verdict == Verdict.Unavailable && AnswerClassifier.IsThrottling(response.StatusCode, retryAfter));
        }
        catch (OperationCanceledException)
        {
            return Failed("timeout", string.Create(CultureInfo.InvariantCulture,
                $"No answer within {_options.Timeout.TotalSeconds:0.###} s."));
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            var cause = exception.GetBaseException();
            return Failed(
                exception.InnerException is AddressRefusedException || cause is AddressRefusedException ? "address"
                : exception.InnerException is AuthenticationException || cause is AuthenticationException ? "tls" : "network",
                exception == cause ? exception.Message : $"{exception.Message} {cause.Message}");
        }

        AttemptResult Failed(string reason, string error) =>
            new(Verdict.Unavailable, at, Stopwatch.GetElapsedTime(started), null, reason, Short(error));
    }

    public void Dispose() => _http.Dispose();

    private HttpRequestMessage Request(Guid deliveryId, DateTimeOffset at, string payload)
    {
        var body = Encoding.UTF8.GetBytes(payload);
        var timestamp = at.ToUnixTimeSeconds();
        var request = new HttpRequestMessage(HttpMethod.Post, _options.Destination)
        {
            Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } }
        };
        request.Headers.TryAddWithoutValidation("User-Agent", "ConcertSaga");
        request.Headers.TryAddWithoutValidation("webhook-id", deliveryId.ToString());
        request.Headers.TryAddWithoutValidation("webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation("webhook-signature", _signer.Sign(deliveryId, timestamp, body));
        return request;
    }

    private TimeSpan? RetryAfter(RetryConditionHeaderValue? header) =>
        (header?.Delta ?? header?.Date - _clock.GetUtcNow()) is not { } wait ? null
        : wait < TimeSpan.Zero ? TimeSpan.Zero
        : wait > _options.MaxRetryAfter ? _options.MaxRetryAfter : wait;

    private static async Task<string> DescribeAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var status = $"{(int)response.StatusCode} {response.ReasonPhrase}".TrimEnd();
        try
        {
            await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
            var bytes = new byte[MaxErrorBytes];
            var length = await body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
            return Short(length == 0 ? status : $"{status}: {Encoding.UTF8.GetString(bytes, 0, length)}");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            // The verdict depends on the status alone.
            return Short(status);
        }
    }

    // The text goes to the log and the database, so it is limited to one line without control characters.
    private static string Short(string text)
    {
        var line = string.Concat(text.Take(DataPlatformDbContext.MaxErrorLength)
            .Select(c => char.IsControl(c) || char.IsSurrogate(c) ? ' ' : c));
        return line.Trim();
    }
}
