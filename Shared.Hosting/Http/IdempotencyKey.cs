using System.Reflection;
using ConcertSaga.Contracts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>
/// The <c>Idempotency-Key</c> of a request. Endpoints that must not run twice take it as a parameter. A key belongs to one caller and one
/// route. A missing header gets a <c>400 IDEMPOTENCY_KEY_MISSING</c>; a value other than one UUID, <c>400 IDEMPOTENCY_KEY_INVALID</c>.
/// </summary>
/// <param name="Value">The key.</param>
public sealed record IdempotencyKey(Guid Value)
{
    /// <summary>Carries the key.</summary>
    public const string Header = "Idempotency-Key";

    /// <summary>Is <c>true</c> on a response that repeats an earlier one.</summary>
    public const string ReplayedHeader = "Idempotent-Replayed";

    /// <summary>Binds an endpoint's parameter.</summary>
    public static ValueTask<IdempotencyKey?> BindAsync(HttpContext context, ParameterInfo parameter)
    {
        var text = context.Request.Headers[Header].ToString();
        if (text.Length == 0)
            throw new RefusedRequestException(StatusCodes.Status400BadRequest, RefusalCodes.IdempotencyKeyMissing,
                $"The header {Header} is missing. Send a UUID: a new one for each new request, the same one to repeat a request.");
        if (!ValueReader.TryRead(text, out Guid value))
            throw new RefusedRequestException(StatusCodes.Status400BadRequest, RefusalCodes.IdempotencyKeyInvalid,
                $"{Header} must be one UUID, such as 0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d.");
        return ValueTask.FromResult<IdempotencyKey?>(new IdempotencyKey(value));
    }

    /// <summary>Marks a response as the repetition of an earlier one.</summary>
    public static void MarkReplayed(HttpResponse response) => response.Headers[ReplayedHeader] = "true";

    /// <summary>Refuses a key that was used with another request before.</summary>
    public static Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult Reused() =>
        Problems.Invalid(RefusalCodes.IdempotencyKeyReused, Header, "This key was used with another request. Use a new one.");
}
