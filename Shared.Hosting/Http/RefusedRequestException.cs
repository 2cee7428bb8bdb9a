using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Shared.Hosting.Http;

/// <summary>A request that is refused while its parameters are read, where no result can be returned; answered as a problem with its own code.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="code">The stable code clients decide by.</param>
/// <param name="detail">What happened and what to do, in a sentence.</param>
public sealed class RefusedRequestException(int status, string code, string detail) : BadHttpRequestException(detail, status)
{
    /// <summary>The problem's code.</summary>
    public string Code { get; } = code;
}
