using System.Reflection;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// The <c>Idempotency-Key</c> of a request. Endpoints that must not be carried out twice take it as a parameter; its scope is the caller and
/// the route. Without the header the answer is <c>400 IDEMPOTENCY_KEY_MISSING</c>, with anything but one UUID in it
/// <c>400 IDEMPOTENCY_KEY_INVALID</c>.
/// </summary>
/// <param name="Value">The key.</param>
public sealed record IdempotencyKey(Guid Value)
{
    /// <summary>Carries the key.</summary>
    public const string Header = "Idempotency-Key";

    /// <summary><c>true</c> on an answer that repeats one given before.</summary>
    public const string ReplayedHeader = "Idempotent-Replayed";

    /// <summary>Binds an endpoint's parameter.</summary>
    public static ValueTask<IdempotencyKey?> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        var text = context.Request.Headers[Header].ToString();
        if (text.Length == 0)
            throw new RefusedRequestException(StatusCodes.Status400BadRequest, "IDEMPOTENCY_KEY_MISSING",
                $"Send a UUID in the header {Header}, a new one for each new request and the same one when repeating it.");
        if (!Guid.TryParseExact(text, "D", out var value))
            throw new RefusedRequestException(StatusCodes.Status400BadRequest, "IDEMPOTENCY_KEY_INVALID",
                $"{Header} must be one UUID, such as 0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d.");
        return ValueTask.FromResult<IdempotencyKey?>(new IdempotencyKey(value));
    }

    /// <summary>Marks the answer as the repeat of an earlier one.</summary>
    public static void MarkReplayed(HttpResponse response) => response.Headers[ReplayedHeader] = "true";

    /// <summary>The refusal of a key that was used with another request before.</summary>
    public static Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult Reused() =>
        Problems.Invalid("IDEMPOTENCY_KEY_REUSED", Header, "This key was used with another request. Use a new one.");
}
