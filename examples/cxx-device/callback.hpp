/* callback.hpp -- member functions as callbacks for C: no exception gets through. */
/* SPDX-License-Identifier: MIT */
#ifndef CALLBACK_HPP
#define CALLBACK_HPP

#include <backplane/log.h>
#include <exception>

/* What Backplane calls is written in C, and an exception that came to it would end the process.
 *   callback<&Device::read>        R (void *self, arguments...): an exception is told as a warning, and the result is R ()
 *   fallible<&Device::realize>     bool (void *self, GError **error): an exception becomes the error */
namespace detail {

template <auto Method> struct Callback;

template <class Device, class Result, class... Arguments, Result (Device::*Method) (Arguments...)> struct Callback<Method> {
  static Result
  call (void *self, Arguments... arguments) noexcept
  {
    try {
      return (static_cast<Device *> (self)->*Method) (arguments...);
    } catch (const std::exception &e) {
      bp_warn (self, "%s", e.what ());
    } catch (...) {
      bp_warn (self, "an exception of no known kind");
    }
    return Result ();
  }
};

template <auto Method> struct Fallible;

template <class Device, void (Device::*Method) ()> struct Fallible<Method> {
  static bool
  call (void *self, GError **error) noexcept
  {
    try {
      (static_cast<Device *> (self)->*Method) ();
      return true;
    } catch (const std::exception &e) {
      g_set_error_literal (error, BP_ERROR, BP_ERROR_FAILED, e.what ());
    } catch (...) {
      g_set_error_literal (error, BP_ERROR, BP_ERROR_FAILED, "an exception of no known kind");
    }
    return false;
  }
};

}

template <auto Method> constexpr auto callback = detail::Callback<Method>::call;
template <auto Method> constexpr auto fallible = detail::Fallible<Method>::call;

#endif
